-- What comes in the order of an index is read in it, and no further than is asked for, whatever the statistics promise.
SELECT set_config('enable_sort', %(sorting)s, true)
