"""What goes with what, what comes after what, and in which order it is shown: scores of pairs, learned lift, lists."""
