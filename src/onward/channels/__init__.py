"""Ways by which people are told: a webhook, Slack, PagerDuty and e-mail, behind one contract (`Channel`)."""
