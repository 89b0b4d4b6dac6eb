"""Scoring: pictures from wherever they are kept, bytes in, rows out; what the commands and the engines share."""
