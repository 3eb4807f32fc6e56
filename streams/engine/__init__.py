"""The state machine between source, flows, callers and sink, and its state for each assigned partition."""
