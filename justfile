# Recipes for developers; `just` lists them. CONTRIBUTING.md says which a change needs.

# The list of recipes.
default:
    @just --list

# Formats Rust and Python.
fmt:
    cargo fmt --all
    cargo fmt --manifest-path fuzz/Cargo.toml
    ruff format
    ruff check --fix

# Lints of the default build; CI has those of all features, too.
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS=-Dwarnings cargo doc --release --workspace --no-deps --document-private-items
    ruff check
    ruff format --check

# The tests inside the crates: no process is started, nothing is trained for long.
test-fast:
    cargo test --release --workspace --lib --bins

# All tests.
test:
    cargo test --release

# Licences, bans and sources of the dependencies.
deny:
    cargo deny check bans licenses sources

# Every parity case against PyTorch, in a virtual environment of its own.
parity: build
    test -d target/parity-venv || python3 -m venv target/parity-venv
    target/parity-venv/bin/pip install --quiet -r tests/parity/requirements.txt
    target/parity-venv/bin/python tests/parity/run.py --workbench target/release/workbench

# How fast this machine trains the proxies.
bench: build
    target/release/workbench bench

# The documentation of the crates.
docs:
    cargo doc --release --workspace --no-deps --document-private-items --open

# The unsafe code of `kernels` under valgrind: with AVX2, since valgrind lacks AVX-512, and without large products,
# which another crate computes and valgrind takes minutes for.
valgrind:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo test --release -p kernels --lib --no-run --message-format=json \
        | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' > target/valgrind-tests
    while read -r test; do
        valgrind --quiet --error-exitcode=1 --partial-loads-ok=no "$test" --test-threads=1 --skip large_products
    done < target/valgrind-tests

# Fuzzes one target of fuzz/ for some seconds: needs `cargo install cargo-fuzz` and a nightly toolchain.
fuzz target seconds="600":
    mkdir -p fuzz/corpus/{{target}}
    RUSTUP_TOOLCHAIN=nightly cargo fuzz run --sanitizer none {{ if target =~ "safetensors|pickle" { "--features weights" } else { "" } }} {{target}} \
        fuzz/corpus/{{target}} fuzz/seeds/{{target}} -- -max_total_time={{seconds}} -timeout=25

# A tarball with the binary, man pages and completions in `target/dist`.
dist: build
    #!/usr/bin/env bash
    set -euo pipefail
    program=target/release/workbench
    name=workbench-$($program --version | cut -d' ' -f2)-$(rustc --print host-tuple)
    folder=target/dist/$name
    rm -rf "$folder"
    mkdir -p "$folder/completions"
    cp "$program" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$folder"
    "$program" man "$folder/man"
    for shell in bash zsh fish elvish powershell; do
        "$program" completions $shell > "$folder/completions/workbench.$shell"
    done
    tar --create --gzip --file "target/dist/$name.tar.gz" --directory target/dist "$name"
    (cd target/dist && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
    echo "target/dist/$name.tar.gz"

# A wheel in `target/wheels`; `pip install` of it puts `workbench` on the PATH.
wheel:
    maturin build --release

# The program.
build:
    cargo build --release
