"""supervisord: the one declaration of programs, its configuration text, and a client of a running one."""
