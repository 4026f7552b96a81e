"""The commands of MIRROR experiments: each file here holds the command of its own name."""
