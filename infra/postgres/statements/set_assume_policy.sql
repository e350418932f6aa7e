UPDATE accounts SET assume_policy = %(policy)s
FROM (SELECT id, assume_policy FROM accounts WHERE id = %(id)s FOR UPDATE) AS before
WHERE accounts.id = before.id
RETURNING before.assume_policy
