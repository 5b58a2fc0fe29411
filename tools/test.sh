#!/usr/bin/env bash
# npm test: sets up what is missing, builds, lints, checks types and formats, and runs all tests.
# The last line is "N passed, N failed"; the exit code is 1 when anything failed. `tools/test.sh STEP…` runs some steps only.
set -uo pipefail
cd "$(dirname "$0")/.."

node=node_modules/node/bin/node
logs=$(mktemp -d "${TMPDIR:-/tmp}/coffer-test.XXXXXX")
trap 'rm -rf "$logs"' EXIT
passed=0
failed=0
wanted=("$@")

# finish: says how it ended, and ends.
finish() {
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}

# step NAME COMMAND…: runs it, adds up its "N passed, N failed" line (1 where it prints none), shows the end of a failure.
step() {
  local name=$1
  shift
  if [ ${#wanted[@]} -gt 0 ] && [[ " ${wanted[*]} " != *" $name "* ]]; then return 0; fi
  local log="$logs/$name.log" started=$SECONDS code=0 counts p=0 f=0
  "$@" >"$log" 2>&1 || code=$?
  counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
  if [ -n "$counts" ]; then
    p=${counts%% passed*}
    f=${counts#*, }
    f=${f%% failed*}
    # a step that ends badly after all its tests passed has failed all the same
    [ "$code" -ne 0 ] && [ "$f" -eq 0 ] && f=1
  elif [ "$code" -eq 0 ]; then
    p=1
  else
    f=1
  fi
  passed=$((passed + p))
  failed=$((failed + f))
  printf '%-14s %6d passed %4d failed %5ds\n' "$name" "$p" "$f" $((SECONDS - started))
  grep -E '^(skipped|known difference)' "$log" | sed 's/^/    /'
  if [ "$f" -gt 0 ]; then
    echo "---- $name: the end of its output"
    tail -n "${TAIL_LINES:-80}" "$log"
    echo "----"
  fi
  return 0
}

# must NAME COMMAND…: a step without which nothing else makes sense.
must() {
  local before=$failed
  step "$@"
  if [ "$failed" -gt "$before" ]; then finish; fi
}

set_up() {
  if [ ! -x "$node" ] || [ ! -e node_modules/jest ]; then
    npm ci --no-audit --no-fund || return 1
  fi
  local missing=() name
  for name in curl jq; do command -v "$name" >/dev/null || missing+=("$name"); done
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv python3-pip)
  # databases that can take the place of our own storage
  compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
  command -v etcd >/dev/null || missing+=(etcd-server)
  [ -x /usr/sbin/pgbouncer ] || missing+=(pgbouncer)
  # disks that are slow, hang or fail
  command -v strace >/dev/null || missing+=(strace)
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
  else
    echo "these programs are missing, and installing them needs root: ${missing[*]}"
    return 1
  fi
}

lint() {
  # without the project graph the rule of who may import whom passes everything
  NX_DAEMON=false "$node" node_modules/nx/dist/bin/nx.js graph --file="$logs/graph.json" || return 1
  "$node" -e 'const g = JSON.parse(require("fs").readFileSync(process.argv[1])).graph; if (!g.nodes["@coffer/kernel"]) { console.error("the project graph lacks the packages"); process.exit(1); }' "$logs/graph.json" || return 1
  NX_DAEMON=false "$node" node_modules/eslint/bin/eslint.js --max-warnings 0 .
}

unit() {
  local code=0
  "$node" --experimental-vm-modules node_modules/jest/bin/jest.js --ci --json --outputFile="$logs/jest.json" || code=$?
  "$node" -e '
    const r = JSON.parse(require("fs").readFileSync(process.argv[1]));
    // a file that cannot be loaded has no tests to count
    const failed = r.numFailedTests + r.numRuntimeErrorTestSuites + r.numPendingTests + r.numTodoTests;
    for (const s of r.testResults) if (s.status === "failed") console.log(`FAILED ${s.name}\n${s.message.slice(0, 3000)}`);
    if (r.numPendingTests + r.numTodoTests) console.log("skipped tests count as failed here");
    console.log(`${r.numPassedTests} passed, ${failed} failed`);
  ' "$logs/jest.json" || return 1
  return $code
}

end_to_end() {
  "$node" --test --test-concurrency=1 --test-timeout=300000 --test-reporter=spec "$@" >"$logs/e2e.out" 2>&1
  local code=$? p f
  cat "$logs/e2e.out"
  p=$(grep -E '^ℹ pass ' "$logs/e2e.out" | tail -n 1 | grep -oE '[0-9]+')
  # cancelled and todo tests count as failures; what this machine cannot do says `skipped`, which is shown
  f=$(grep -E '^ℹ (fail|cancelled|todo) ' "$logs/e2e.out" | awk "{ n += \$3 } END { print n + 0 }")
  echo "${p:-0} passed, ${f:-1} failed"
  return $code
}

must set-up set_up
must build "$node" tools/build.mjs
step typecheck "$node" node_modules/tsc-native/bin/tsc -b
step lint lint
step format "$node" node_modules/prettier/bin/prettier.cjs --check .
step unit unit
step conformance "$node" e2e/conformance/run.mjs
step clients end_to_end 'e2e/clients/*.test.mjs'
step security end_to_end 'e2e/security/*.test.mjs'
step cluster end_to_end 'e2e/cluster/*.test.mjs'
step kit end_to_end 'e2e/kit/*.test.mjs'
step storage end_to_end 'e2e/storage/*.test.mjs'
step storage "$node" e2e/chaos/run.mjs --storage=postgresql --rounds=2 --seed=102
step storage "$node" e2e/chaos/run.mjs --storage=etcd --rounds=2 --seed=208
step chaos end_to_end 'e2e/chaos/*.test.mjs'
step chaos "$node" e2e/chaos/run.mjs --short --seed=1
finish
