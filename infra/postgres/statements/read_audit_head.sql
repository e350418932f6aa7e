SELECT position, chain FROM audit_head
