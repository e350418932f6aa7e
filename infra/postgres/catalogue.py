"""The roles of Retinue, and what PostgreSQL lets every role do until a superuser takes it back."""

from __future__ import annotations

#: Sees the rows of one account: its members log in as one that has this role.
ACCOUNT_ROLE = "retinue_account"

#: What the manager works as: sees all accounts, and may do what a page or an action of its needs.
OPERATOR_ROLE = "retinue_operator"

#: Sees the masking views of one account, and nothing else.
ASSUMED_ROLE = "retinue_assumed"

#: Owns the masking views.
MASKS_ROLE = "retinue_masks"

#: Those that somebody logs in with.
LOGIN_ROLES = (OPERATOR_ROLE, ACCOUNT_ROLE, ASSUMED_ROLE)

#: They write, wait for others' locks, or stop others of the same role, also in a transaction that is read-only. Those
#: that read and write the server's files are a superuser's already.
UNSAFE_FUNCTIONS = (
    "^(lo_(?!import|export)|lowrite|pg_(try_)?advisory_|pg_notify$|pg_cancel_backend$|pg_terminate_backend$)"
)


def close_functions(role: str) -> str:
    """The statement that leaves these functions to `role` and to those it lets have them; only a superuser may run it.

    It is for one database and for those that are made as its copies.
    """
    return _for_each_unsafe(
        "REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC", f"GRANT EXECUTE ON FUNCTION %s TO {role} WITH GRANT OPTION"
    )


def share_functions(role: str) -> str:
    """The statement by which a role that has these functions lets another one have them, and pass them on."""
    return _for_each_unsafe(f"GRANT EXECUTE ON FUNCTION %s TO {role} WITH GRANT OPTION")


def _for_each_unsafe(*statements: str) -> str:
    acts = " ".join(f"EXECUTE format('{one}', unsafe);" for one in statements)
    return f"""
DO $$
DECLARE unsafe regprocedure;
BEGIN
    FOR unsafe IN
        SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '{UNSAFE_FUNCTIONS}'
    LOOP
        {acts}
    END LOOP;
END $$
"""
