"""What the scripts share: configurations, flags, run directories, callbacks."""
