"""Related products of Complete Journey: what Onward lists, against every baseline, at three clocks."""
