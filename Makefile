PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

# Hundreds of processes start in a run of the tests: each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up down test check bench wheel lock proof-account-entries proof-isolation proof-account-pages proof-api proof-manager vendor proof-calendars proof-faults proof-retention proof-browser proof-budget proof-chaos proof-limit proof-mail proof-mailbox proof-order proof-pages proof-records proof-watch proof-weights proof-load proof-salesforce proof-tokens proof-erasure

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: $(READY) ## start the embedded stack: PostgreSQL, SQS, calendars, mail, Salesforce, scheduler, servants, manager
	@$(BIN)/retinue up

down: $(READY) ## stop it
	@$(BIN)/retinue down

# The environment is built again whenever the lock or the distribution's description changes. Python compiles what is used
# when it is first used: a small part of all that is installed.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Retinue needs Python 3.11 or newer, this is %s: make PYTHON=python3.11" % sys.version.split()[0])'
	@echo "Preparing .venv (once; a minute or so)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# Three at once on two cores: most tests wait for processes half of the time.
test: $(READY) ## run the tests
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST)

check: $(READY) ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

bench: $(READY) ## measure beside the peers, 90 minutes; BENCH="throughput --runs 1 --seconds 1" for a part
	$(BIN)/python -m bench $(BENCH)

proof-faults: $(READY) ## 10,000 jobs while every process is killed in turn; takes minutes
	$(BIN)/python -m pytest tests/faults/test_killed_processes.py -m proof $(PYTEST)

proof-chaos: $(READY) ## 20 seeded runs of every fault at once, 10 minutes, as root; SEED=7 plays one again
	SEED=$(SEED) $(BIN)/python -m pytest tests/faults/test_chaos.py -m proof -s $(PYTEST)

proof-limit: $(READY) ## limits of one through 1,000 kills; KILLS=100 SEED=7 for fewer, or others; takes minutes
	KILLS=$(or $(KILLS),1000) SEED=$(or $(SEED),1) $(BIN)/python -m pytest tests/faults/test_lane_limits.py -m proof -s $(PYTEST)

proof-order: $(READY) ## strict order over 100,000 jobs in 1,000 keys; JOBS=1000 KEYS=20 for fewer; takes minutes
	JOBS=$(or $(JOBS),100000) KEYS=$(or $(KEYS),1000) SEED=$(or $(SEED),1) $(BIN)/python -m pytest tests/faults/test_strict_order.py -m proof -s $(PYTEST)

proof-weights: $(READY) ## accounts with weights 1, 1, 2 get time in 1:1:2; takes a minute and a half
	$(BIN)/python -m pytest tests/faults/test_weights.py -m proof -s $(PYTEST)

proof-mail: $(READY) ## email.sync exact through 50 x 1,000 changes and kills, as root; SEEDS=4 SEED=7 CHANGES=200; takes minutes
	SEEDS=$(or $(SEEDS),50) SEED=$(or $(SEED),1) CHANGES=$(or $(CHANGES),1000) $(BIN)/python -m pytest tests/faults/test_mail_changes.py -m proof -s $(PYTEST)

proof-mailbox: $(READY) ## first reading of 100,000 messages beside imaplib, and syncs afterwards, as root; MESSAGES=10000; takes minutes
	MESSAGES=$(or $(MESSAGES),100000) $(BIN)/python -m pytest tests/integration/test_mailbox_at_scale.py -m proof -s $(PYTEST)

proof-records: $(READY) ## records merged beside a bare COPY of the same 200,000; ROWS=1000000 for others; takes a minute
	ROWS=$(or $(ROWS),200000) $(BIN)/python -m pytest tests/integration/test_records_at_scale.py -m proof -s $(PYTEST)

proof-load: $(READY) ## first reading of 1,000,000 Salesforce rows beside a bare COPY and merge; ROWS=50000; takes four minutes
	ROWS=$(or $(ROWS),1000000) $(BIN)/python -m pytest tests/integration/test_salesforce_at_scale.py -m proof -s $(PYTEST)

proof-tokens: $(READY) ## two processes renew one rotating token 200 times, their order forced; takes a minute
	$(BIN)/python -m pytest tests/integration/test_salesforce_tokens.py -m proof -s $(PYTEST)

proof-salesforce: $(READY) ## salesforce.sync exact through 50 x 240 changes and kills; SEEDS=4 SEED=7 CHANGES=1000; takes an hour
	SEEDS=$(or $(SEEDS),50) SEED=$(or $(SEED),1) CHANGES=$(or $(CHANGES),240) $(BIN)/python -m pytest tests/faults/test_salesforce_changes.py -m proof -s $(PYTEST)

proof-watch: $(READY) ## how soon new mail is stored with 500 mailboxes watched, as root; MAILBOXES=50 MAILS=20; takes minutes
	MAILBOXES=$(or $(MAILBOXES),500) MAILS=$(or $(MAILS),20) $(BIN)/python -m pytest tests/faults/test_mail_push.py -m proof -s $(PYTEST)

proof-api: $(READY) ## every request of the JSON API with what nobody would think of; API_EXAMPLES=1000 SEED=7; takes minutes
	API_EXAMPLES=$(or $(API_EXAMPLES),300) SEED=$(or $(SEED),1) $(BIN)/python -m pytest tests/integration/test_api_description.py -m proof -s $(PYTEST)

proof-manager: $(READY) ## every page and GET of the API with 10,000,000 finished jobs; ROWS=1000000 for fewer; needs 10 GB of disk and some minutes
	ROWS=$(or $(ROWS),10000000) $(BIN)/python -m pytest tests/integration/test_manager_at_scale.py -m proof -s $(PYTEST)

proof-account-pages: $(READY) ## what pages of an account ask of 1,000,000 records and messages; ROWS=100000; takes three minutes
	ROWS=$(or $(ROWS),1000000) $(BIN)/python -m pytest tests/integration/test_account_pages_at_scale.py -m proof -s $(PYTEST)

proof-account-entries: $(READY) ## no page of an assumed account goes without its entry while managers are killed; KILLS=10 SEED=7; takes minutes
	KILLS=$(or $(KILLS),60) SEED=$(or $(SEED),1) $(BIN)/python -m pytest tests/integration/test_account_entries.py -m proof -s $(PYTEST)

proof-isolation: $(READY) ## 10,000 random reads by members and support of two accounts that hold the same; takes a minute
	$(BIN)/python -m pytest tests/integration/test_account_isolation.py -m proof $(PYTEST)

proof-calendars: $(READY) ## calendar.sync exact through 50 x 1,000 changes and kills; SEEDS=4 SEED=7 CHANGES=200; takes hours
	SEEDS=$(or $(SEEDS),50) SEED=$(or $(SEED),1) CHANGES=$(or $(CHANGES),1000) $(BIN)/python -m pytest tests/faults/test_calendar_changes.py -m proof -s $(PYTEST)

proof-retention: $(READY) ## drop a day of 10 million finished jobs; needs 6 GB of disk and some minutes
	$(BIN)/python -m pytest tests/integration/test_retention_at_scale.py -m proof -s $(PYTEST)

proof-erasure: $(READY) ## erase an account of 1,000,000 rows while another works; ROWS=100000 for fewer; takes minutes
	ROWS=$(or $(ROWS),1000000) $(BIN)/python -m pytest tests/faults/test_erasure_at_scale.py -m proof -s $(PYTEST)

proof-budget: $(READY) ## a day's budget of 1,000 calls through kills of four servants; takes minutes
	$(BIN)/python -m pytest tests/faults/test_budget_kills.py -m proof $(PYTEST)

proof-browser: $(READY) ## every page and every action of the manager in Chromium, with and without scripts; takes minutes
	$(BIN)/python -m pytest tests/browser -m "proof or not proof" $(PYTEST)

proof-pages: $(READY) ## 200 open pages cost little and show a change within a second; PAGES=50 SERVANTS=50 SECONDS=20; takes a minute
	PAGES=$(or $(PAGES),200) SERVANTS=$(or $(SERVANTS),200) SECONDS=$(or $(SECONDS),60) $(BIN)/python -m pytest tests/integration/test_open_pages.py -m proof -s $(PYTEST)

wheel: $(READY) ## build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation

vendor: $(READY) ## take the files that browsers load anew from the npm packages (needs npm)
	$(BIN)/python -m manager.npm

lock: ## resolve the dependencies again (needs uv)
	uv pip compile pyproject.toml --group dev --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -o requirements.lock
