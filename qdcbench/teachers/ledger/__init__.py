"""One file for all processes: the answers, the journal of attempts, what is spent, and the endpoints' rates."""
