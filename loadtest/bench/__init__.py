"""What serving adds to the work itself, and where others with the same file stand: ``python -m loadtest.bench``."""
