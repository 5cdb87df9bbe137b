"""What the monitor costs without a server: a request, a flush, a verdict, memory, and what others take for the like."""
