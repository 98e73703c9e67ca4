"""The four lists and the columns of their table, for those who read lists without being able to make any."""

GOES_WITH, AFTER, BEFORE, INSTEAD = LISTS = ("goes_with", "after", "before", "instead")
COLUMNS = ("product", "list", "rank", "other", "score", "times", "count", "type_count", "log_lift", "share")
