#!/bin/sh
# Makes the two embedded faces from the full Noto Sans. See README.md. Usage: reduce.sh FOLDER-WITH-NOTO-SANS
set -eu
from=$1
here=$(cd "$(dirname "$0")" && pwd)
# Latin with all extensions, modifier letters, combining marks, Greek, Cyrillic, polytonic Greek,
# punctuation, super- and subscripts, currencies, letterlike signs, and the replacement character.
scripts='U+0020-007E,U+00A0-024F,U+0250-02FF,U+0300-036F,U+0370-03FF,U+0400-052F,U+1E00-1EFF,U+1F00-1FFF'
signs='U+2010-2027,U+2030-205E,U+2070-209F,U+20A0-20BF,U+2100-214F,U+FB00-FB06,U+FFFD'
for weight in Regular Bold; do
    pyftsubset "$from/NotoSans-$weight.ttf" --unicodes="$scripts,$signs" --output-file="$here/NotoSans-$weight.ttf" \
        --no-hinting --layout-features='' --notdef-outline --no-glyph-names --name-IDs='*' \
        --drop-tables+=GDEF,GPOS,GSUB,DSIG,gasp,meta,STAT --no-recalc-timestamp
done
