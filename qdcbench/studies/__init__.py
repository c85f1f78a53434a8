"""Studies: controlled changes of data whose truth is known, and what the instrument makes of them."""
