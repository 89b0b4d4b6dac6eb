"""What Loupe answers under load, asked over HTTP as any client would."""
