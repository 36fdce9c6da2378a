"""What an output folder knows: its layout, its runs, their answers, and the plan that follows."""
