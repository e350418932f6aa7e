// A tour of the sandbox org with jsforce as it comes from npm. Prints what it saw as one JSON document.

import jsforce from "jsforce";

const { ORG_URL, USERNAME, PASSWORD, SECURITY_TOKEN, CLIENT_ID, CLIENT_SECRET, ROWS } = process.env;
const seen = {};

const connection = new jsforce.Connection({ loginUrl: ORG_URL, version: "61.0" });
const user = await connection.login(USERNAME, PASSWORD + SECURITY_TOKEN);
seen.signedIn = user.id;
seen.limitInfo = (await connection.limits()).DailyApiRequests.Max > 0;

const global = await connection.describeGlobal();
seen.objects = global.sobjects.map((sobject) => sobject.name);
const account = await connection.sobject("Account").describe();
seen.accountFields = account.fields.map((field) => field.name);

const wanted = Number(ROWS);
const rows = Array.from({ length: wanted }, (_, number) => ({ Name: `Tour ${String(number).padStart(5, "0")}` }));
const created = await connection.sobject("Account").create(rows, { allowRecursive: true });
seen.created = created.filter((result) => result.success).length;

const paged = [];
await new Promise((resolve, reject) => {
  connection
    .query("SELECT Id, Name, Owner.Name FROM Account WHERE Name LIKE 'Tour %' ORDER BY Name")
    .on("record", (record) => paged.push(record))
    .on("end", resolve)
    .on("error", reject)
    .run({ autoFetch: true, maxFetch: wanted, headers: { "Sforce-Query-Options": "batchSize=200" } });
});
seen.paged = paged.length;
seen.ownerName = paged[0].Owner.Name;
const next = await connection.query("SELECT Id FROM Account WHERE Name LIKE 'Tour %'", {
  headers: { "Sforce-Query-Options": "batchSize=200" },
});
seen.firstPage = next.records.length;
seen.secondPage = (await connection.queryMore(next.nextRecordsUrl)).records.length;
seen.total = next.totalSize;

const one = paged[0].Id;
seen.updated = (await connection.sobject("Account").update({ Id: one, Website: "https://tour.example" })).success;
seen.retrieved = (await connection.sobject("Account").retrieve(one)).Website;
const upsert = { Code__c: "J1", Name: "Tour by code" };
seen.upsertCreates = (await connection.sobject("Account").upsert(upsert, "Code__c")).created;
seen.upsertUpdates = (await connection.sobject("Account").upsert({ ...upsert, Name: "Renamed" }, "Code__c")).created;
seen.found = await connection.sobject("Account").find({ Code__c: "J1" }, ["Name"]).execute();
seen.deleted = (await connection.sobject("Account").destroy(one)).success;
seen.gone = await connection.sobject("Account").retrieve(one).catch((error) => error.errorCode);

const bad = await connection.query("SELECT Id FRM Account").catch((error) => error);
seen.malformed = bad.errorCode ?? bad.name;
const refused = await connection.sobject("Account").create({ Website: "x" }).catch((error) => error);
seen.refused = refused.errorCode ?? refused.name;

connection.bulk2.pollInterval = 50;
const stream = await connection.bulk2.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Tour %'", {
  pollInterval: 50,
  pollTimeout: 30000,
});
const bulkRows = [];
for await (const row of stream) bulkRows.push(row);
seen.bulkQueried = bulkRows.length;

const loaded = await connection.bulk2.loadAndWaitForResults({
  object: "Contact",
  operation: "insert",
  input: [{ LastName: "Loaded", FirstName: "Ann" }, { LastName: "", FirstName: "Nameless" }],
  pollInterval: 50,
  pollTimeout: 30000,
});
seen.bulkLoaded = loaded.successfulResults.length;
seen.bulkFailed = loaded.failedResults.map((row) => row.sf__Error.split(":")[0]);
seen.bulkUnprocessed = loaded.unprocessedRecords.length;
await connection.logout();
seen.loggedOut = await connection
  .request(`${ORG_URL}/services/data/v61.0/limits`)
  .then(() => false, () => true);

const oauth2 = new jsforce.OAuth2({ loginUrl: ORG_URL, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET });
const granted = await oauth2.authenticate(USERNAME, PASSWORD + SECURITY_TOKEN);
const second = new jsforce.Connection({
  oauth2,
  instanceUrl: granted.instance_url,
  accessToken: granted.access_token,
  version: "61.0",
});
seen.identity = (await second.identity()).user_id;

console.log(JSON.stringify(seen));
