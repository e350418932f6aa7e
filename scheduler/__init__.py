"""The scheduler: passes that plan, dispatch, rescue and retain. Any number of schedulers may run."""
