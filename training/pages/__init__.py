"""Pages of text, rendered: photos of letters, tables, receipts and slides whose top is known."""
