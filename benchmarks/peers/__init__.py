"""Published methods of other hands, run by us on Onward's own splits and judged by the same code."""
