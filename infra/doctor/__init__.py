"""The doctor: looks at everything an installation stands on, and says what is wrong and how to mend it."""
