"""Parts of the support-desk demo: processes, traffic, checks and the report."""
