"""The state machine between source, flow, callers and sink, and what it keeps of each assigned partition."""
