"""What the scripts are made of: runs, reports, studies, explanations."""
