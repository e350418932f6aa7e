INSERT INTO trouble_notes (account_id, incident_id, anomaly_id, author, text)
SELECT subject.account_id, subject.incident_id, subject.anomaly_id, %(author)s, %(text)s
FROM (
    SELECT account_id, id AS incident_id, NULL::bigint AS anomaly_id FROM incidents WHERE id = %(incident_id)s
    UNION ALL
    SELECT NULL, NULL, id FROM anomalies WHERE id = %(anomaly_id)s
) AS subject
RETURNING id
