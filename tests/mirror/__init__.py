"""Tests of simulated sessions."""
