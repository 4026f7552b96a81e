"""emodiss: measure emotional dissonance between voice and face in conversations."""
