#!/usr/bin/env bash
# Flower pins many packages, so this plugin is tested in an environment of its own: .venv-flower beside .venv. It sees all
# that .venv has (PyTorch is not installed twice) and shadows what Flower wants in another version.
# From the root of a checkout whose .venv has stalefl: plugins/stalefl-flower/test-environment.sh [pytest's arguments]
set -euo pipefail

plugin=$(cd "$(dirname "$0")" && pwd)
cd "$plugin/../.."
main=.venv/bin/python
own=.venv-flower
ready=$own/.ready
export PIP_DISABLE_PIP_VERSION_CHECK=1 OMP_NUM_THREADS=1 FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1

[ -x "$main" ] || { echo "stalefl-flower: no .venv here; run 'make install' first" >&2; exit 1; }
if ! "$main" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "stalefl-flower: Flower needs Python 3.11 or newer; its tests are left out" >&2
    exit 0
fi

if ! [ -e "$ready" ] || [ "$plugin/pyproject.toml" -nt "$ready" ]; then
    "$main" -m venv "$own"
    site=$("$own/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    # addsitedir reads the .pth files there too, one of which leads to stalefl itself.
    "$main" -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
        > "$site/main_environment.pth"
    "$own/bin/python" -m pip install --quiet --no-deps 'flwr>=1.42'
    # All that Flower pins, but of certifi the newest there is: flwr 1.42.0 asks for one that not every
    # index has (docs/decisions/0013). No test uses TLS; a line on stderr says so where the pin is not met.
    "$own/bin/python" - > "$own/flower-pins.txt" <<'PINS'
from importlib.metadata import requires

pins = [line for line in requires("flwr") if "extra ==" not in line]
print(*("certifi" if pin.startswith("certifi") else pin for pin in pins), sep="\n")
PINS
    "$own/bin/python" -m pip install --quiet --upgrade --upgrade-strategy only-if-needed -r "$own/flower-pins.txt"
    "$own/bin/python" -m pip install --quiet --no-deps --editable "$plugin"
    touch "$ready"
fi
"$own/bin/python" -m pip check 2>/dev/null | grep '^flwr ' | sed 's/^/stalefl-flower: beside its pins: /' >&2 || true

cd "$plugin"
exec "../../$own/bin/python" -m pytest -q "$@"
