"""Results as text: ``table`` for people, ``export`` for programs. Both are pure."""
