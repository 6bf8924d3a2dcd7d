#!/usr/bin/env bash
# Writes the pins of this folder anew: `make lock`. Needs uv and a package index, as pip is configured to find it.
#
#   base.txt    all that isogloss needs, as wheels
#   source.txt  what has no wheels and is built here (fasttext)
#   torch.txt   torch, by hand: its own dependencies differ by machine (CPU, CUDA), so pip resolves them
#   models.txt  the model libraries; laser-encoders stands there without the fairseq that it asks for
#   dev.txt     tests and checks
#   cloud.txt   the clients of Google Cloud and Amazon
#   stores.txt  emulators of their stores, for tests
#
# pip installs base, models, dev, cloud and stores with --no-deps: the files say everything. Markers cover Python 3.11 to 3.13.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-uv}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

compile() {
    "$uv" pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links "$@"
}

# Lines of the first file that stand in none of the others.
without() {
    local lines=$1
    shift
    cat "$@" | grep --invert-match --line-regexp --fixed-strings --file=- "$lines"
}

compile pyproject.toml --output-file "$work/base-all.txt"
grep '^fasttext==' "$work/base-all.txt" >"$work/source.txt"
grep --invert-match '^fasttext==' "$work/base-all.txt" >"$work/base.txt"

compile pyproject.toml --extra dev --constraint "$work/base-all.txt" --output-file "$work/dev-all.txt"

{
    cat requirements/torch.txt
    printf '%s\n' transformers simalign networkx sentencepiece sacremoses==0.1.0 unicategories tqdm sentence-transformers anyascii
} >"$work/models.in"
compile "$work/models.in" --constraint "$work/dev-all.txt" --output-file "$work/models-all.txt"
{
    without "$work/models-all.txt" "$work/base.txt" | grep --invert-match --extended-regexp '^(nvidia|cuda|triton|torch)'
    echo laser-encoders==0.0.2
} | sort >"$work/models.txt"

without "$work/dev-all.txt" "$work/base.txt" "$work/source.txt" "$work/models.txt" >"$work/dev.txt"

compile pyproject.toml --extra gcp --extra aws --constraint "$work/dev-all.txt" --constraint "$work/models-all.txt" \
    --output-file "$work/cloud-all.txt"
without "$work/cloud-all.txt" "$work/base.txt" "$work/source.txt" >"$work/cloud.txt"
compile pyproject.toml --extra stores --constraint "$work/dev-all.txt" --constraint "$work/models-all.txt" \
    --constraint "$work/cloud-all.txt" --output-file "$work/stores-all.txt"
without "$work/stores-all.txt" "$work/base.txt" "$work/source.txt" "$work/cloud.txt" "$work/dev.txt" >"$work/stores.txt"

for name in base source models dev cloud stores; do
    cp "$work/$name.txt" "requirements/$name.txt"
done
