"""The commands of ``loupe-train``, a module for each step; what is heavy is imported once a command runs."""
