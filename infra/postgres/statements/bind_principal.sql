-- For this transaction alone: the next one on this connection is bound anew, or to nothing.
SELECT
    set_config('transaction_read_only', 'on', true),
    set_config('search_path', %(search_path)s, true),
    set_config('retinue.principal', %(secret)s, true)
