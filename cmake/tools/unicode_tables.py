#!/usr/bin/env python3
"""Writes src/text/unicode_tables.c, what the analysis of text knows of Unicode, from the Unicode Character Database.

    python3 cmake/tools/unicode_tables.py [UCD.zip [output]]

The database is Debian's source package unicode-data, which ./dev unpacks into build/deps/unicode. The tables are packed for downloading: numbers
in base 128, differences rather than values; src/text/unicode.c unpacks them and says what the classes mean.
"""
import io
import os
import re
import sys
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OTHER, LETTER, HEBREW, NUMERIC, JOIN, MARK, ACCENT, IGNORE, MID_LETTER, MID_NUM, PAIR, APOSTROPHE, QUOTE = range(13)
LAST = 0x110000


def ranges(archive, path):
    """(first, last, fields) of each line of a file of the database."""
    for line in io.TextIOWrapper(archive.open(path), 'utf-8'):
        fields = [f.strip() for f in line.split('#')[0].split(';')]
        if fields[0]:
            first, _, last = fields[0].partition('..')
            yield int(first, 16), int(last or first, 16), fields[1:]


def property_of(archive, path, default):
    values = [default] * LAST
    for first, last, fields in ranges(archive, path):
        for c in range(first, last + 1):
            values[c] = fields[0]
    return values


class Database:
    def __init__(self, path):
        archive = zipfile.ZipFile(path)
        self.version = re.search(r'-([0-9.]+)\.txt', archive.read('PropList.txt').decode()).group(1)
        self.category = ['Cn'] * LAST
        self.combining, self.decomposition, self.compatible, self.names = {}, {}, {}, {}
        start = None
        for line in io.TextIOWrapper(archive.open('UnicodeData.txt'), 'utf-8'):
            f = line.split(';')
            c = int(f[0], 16)
            if f[1].endswith(', First>'):
                start = c
            for each in range(start if f[1].endswith(', Last>') else c, c + 1):
                self.category[each] = f[2]
            self.names[c] = f[1]
            if f[3] != '0':
                self.combining[c] = int(f[3])
            if f[5].startswith('<'):
                self.compatible[c] = [int(x, 16) for x in f[5].split()[1:]]
            elif f[5]:
                self.decomposition[c] = [int(x, 16) for x in f[5].split()]
        self.word_break = property_of(archive, 'auxiliary/WordBreakProperty.txt', 'Other')
        self.script = property_of(archive, 'Scripts.txt', 'Zzzz')
        self.line_break = property_of(archive, 'LineBreak.txt', 'XX')
        self.fold = {first: int(f[1], 16) for first, _, f in ranges(archive, 'CaseFolding.txt') if f[0] in 'CS'}
        # Letters that are another letter by another name (Greek vowels with oxia or tonos) fold to it.
        for c, parts in self.decomposition.items():
            if len(parts) == 1 and self.category[c][0] == 'L' and c < 0x3000:
                self.fold.setdefault(c, parts[0])
        for c in self.fold:
            while self.fold[c] in self.fold:
                self.fold[c] = self.fold[self.fold[c]]
        self.excluded = {first + i for first, last, f in ranges(archive, 'DerivedNormalizationProps.txt')
                         if f[0] == 'Full_Composition_Exclusion' for i in range(last - first + 1)}


# Marks that folding accents removes: those of no script in particular, and the vowel signs of Hebrew and Arabic.
ACCENTS = ((0x0300, 0x036F), (0x0483, 0x0487), (0x0591, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06ED),
           (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))


def class_of(db, c):
    wb, category = db.word_break[c], db.category[c]
    paired = db.script[c] in ('Han', 'Hiragana', 'Katakana', 'Hangul') or wb == 'Katakana' or db.line_break[c] == 'SA'
    if c == 0x0640:  # tatweel only stretches a word
        return IGNORE
    if wb in ('Format', 'ZWJ') or (wb == 'Extend' and (category in ('Cf', 'Sk') or db.names.get(c, '').startswith('VARIATION SELECTOR'))):
        return IGNORE
    if wb == 'Extend':
        if any(a <= c <= b for a, b in ACCENTS):
            return ACCENT
        # Marks of scripts that have words go where letters go; only beside pairs must they be told from them.
        return MARK if paired or db.script[c] in ('Inherited', 'Common') else LETTER
    if wb == 'Numeric':
        return NUMERIC
    # Letters that UAX #29 parts everywhere: ideographs, Kana, Thai, Tangut; and by our choice Katakana and Hangul.
    if category != 'Pd' and ((paired and (category in ('Nl', 'Lm', 'Lo') or wb == 'Katakana')) or (category[0] == 'L' and wb == 'Other')):
        return PAIR
    if wb in ('Single_Quote',) or c in (0x2018, 0x2019, 0xFF07):
        return APOSTROPHE
    return {'ALetter': LETTER, 'Hebrew_Letter': HEBREW, 'ExtendNumLet': JOIN, 'MidNum': MID_NUM, 'MidNumLet': MID_NUM, 'Double_Quote': QUOTE,
            'MidLetter': OTHER if c in (0x3A, 0xFE13, 0xFE55, 0xFF1A) else MID_LETTER}.get(wb, OTHER)


def class_runs(db):
    """(first, class), each up to the next; small gaps that no character has go to the run before."""
    runs, c = [(0, OTHER)], 0
    while c < LAST:
        if db.category[c] == 'Cn':
            end = c
            while end < LAST and db.category[end] == 'Cn':
                end += 1
            if end - c < 128:
                c = end
                continue
            kind, step = OTHER, end
        else:
            kind, step = class_of(db, c), c + 1
        if kind != runs[-1][1]:
            runs.append((c, kind))
        c = step
    return runs


def fold_runs(db):
    """(first, count, stride, difference): runs of characters, `stride` apart, that fold to what lies at the same difference."""
    runs, left = [], dict(sorted(db.fold.items()))
    while left:
        c = next(iter(left))
        best = (0, 1)
        for stride in (1, 2):
            n = 1
            while left.get(c + n * stride, -1) - (c + n * stride) == left[c] - c:
                n += 1
            best = max(best, (n, -stride))
        n, stride = best[0], -best[1] if best[0] > 1 else 1
        runs.append((c, n, stride, left[c] - c))
        for i in range(n):
            del left[c + i * stride]
    return sorted(runs)


def compositions(db):
    """(composed, base, mark) that case folding leaves as they are. Hangul is arithmetic; ideographs' singletons and symbols are left out."""
    found = []
    for c, parts in sorted(db.decomposition.items()):
        if len(parts) == 2 and db.category[c][0] in 'LM' and c not in db.fold and parts[0] not in db.fold:
            found.append((c, parts[0], parts[1]))
    return found


# Letters that are usually written so where their own key is missing.
USUAL = {'ß': 'ss', 'æ': 'ae', 'œ': 'oe', 'ø': 'o', 'þ': 'th', 'ð': 'd', 'đ': 'd', 'ł': 'l', 'ħ': 'h', 'ŧ': 't', 'ı': 'i', 'ŋ': 'n', 'ĸ': 'k',
         'ŉ': 'n', 'ª': 'a', 'º': 'o', 'ǆ': 'dz', 'ⱥ': 'a', 'ⱦ': 't', 'ȼ': 'c', 'ɇ': 'e'}


def plain_letters(db):
    """character -> one or two Latin letters, for letters without a canonical decomposition."""
    found = {ord(k): v for k, v in USUAL.items()}
    for c, parts in db.compatible.items():
        if 2 <= len(parts) <= 2 and c < 0x250 and c not in db.fold and all(chr(p).isascii() and chr(p).isalpha() for p in parts):
            found[c] = ''.join(map(chr, parts))  # digraphs of one character: dz, lj, nj, ij
    for c, name in db.names.items():
        match = re.match(r'LATIN SMALL LETTER ([A-Z]) WITH ', name)
        if match and c not in db.decomposition and c not in db.fold and c < 0x2C80:
            found.setdefault(c, match.group(1).lower())
    return sorted(found.items())


def compatible_forms(db):
    """character -> one to three others, before the stemmer: ligatures of Latin letters; the half-width Katakana."""
    found = {c: db.compatible[c] for c in range(0xFB00, 0xFB07)}
    found[0xFB05] = [ord('s'), ord('t')]
    halves = [db.compatible[c][0] for c in range(0xFF66, 0xFFA0)]
    return found, halves


class Packer:
    def __init__(self):
        self.bytes = bytearray()

    def number(self, n):
        while n >= 128:
            self.bytes.append(n % 128 | 128)
            n //= 128
        self.bytes.append(n)

    def signed(self, n):
        self.number(n * 2 if n >= 0 else -n * 2 - 1)


def array(name, data, comment):
    lines = []
    for i in range(0, len(data), 32):
        lines.append('    ' + ' '.join(f'{b},' for b in data[i:i + 32]))
    return f'/* {comment} */\nconst uint8_t {name}[{len(data)}] = {{\n' + '\n'.join(lines) + '\n};\n'


def main():
    source = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, 'build/deps/unicode/UCD.zip')
    target = sys.argv[2] if len(sys.argv) > 2 else os.path.join(ROOT, 'src/text/unicode_tables.c')
    db = Database(source)

    # The two halves of each table lie apart: like stands by like, which compresses better.
    runs, lengths, kinds = class_runs(db), Packer(), Packer()
    for (first, kind), (after, _) in zip(runs, runs[1:] + [(LAST, 0)]):
        lengths.number(after - first)
        kinds.number(kind)
    halves = [bytes(kinds.bytes[i:i + 2]) for i in range(0, len(kinds.bytes), 2)]
    packed = bytes(h[0] | (h[1] << 4 if len(h) > 1 else 0) for h in halves)

    folds, fold_pack, last = fold_runs(db), Packer(), 0
    for first, count, stride, difference in folds:
        fold_pack.signed(first - last)
        fold_pack.number((count - 1) * 2 + stride - 1)
        last = first + count * stride
    for first, count, stride, difference in folds:
        fold_pack.signed(difference)

    composed = compositions(db)
    marks = sorted({m for _, _, m in composed})
    marks_pack, last = Packer(), 0
    for m in marks:
        marks_pack.number(m - last)
        marks_pack.number(db.combining.get(m, 0))
        last = m
    pairs, last = Packer(), 0
    for c, _, _ in composed:
        pairs.number(c - last)
        last = c
    for c, _, m in composed: # twice the mark's number; odd: never composed
        pairs.number(marks.index(m) * 2 + (c in db.excluded))
    last = 0
    for _, base, _ in composed:
        pairs.signed(base - last)
        last = base

    plain, plain_pack, last = plain_letters(db), Packer(), 0
    for c, letters in plain:
        plain_pack.number((c - last) * 2 + len(letters) - 1)
        last = c
    for _, letters in plain:
        plain_pack.bytes += letters.encode()
    forms, half = compatible_forms(db)
    form_text = bytearray()
    for c in range(0xFB00, 0xFB07):
        form_text += ''.join(map(chr, forms[c])).encode().ljust(3, b'\0')

    text = f'''/* Made by cmake/tools/unicode_tables.py from the Unicode Character Database {db.version}; do not edit. unicode.c unpacks it. */
#include "text/unicode_tables.h"

'''
    text += array('omen_unicode_lengths', lengths.bytes, 'Lengths of the runs of one class.')
    text += array('omen_unicode_kinds', packed, 'Their classes, two a byte.')
    text += array('omen_unicode_folds', fold_pack.bytes, 'Runs of case folding: where, how many, how far apart; then the differences.')
    text += array('omen_unicode_marks', marks_pack.bytes, 'Marks that compose, with their combining classes.')
    text += array('omen_unicode_pairs', pairs.bytes, 'Composed characters; their marks; their bases.')
    text += array('omen_unicode_letters', plain_pack.bytes, 'Letters without decomposition; what they are usually written as.')
    text += array('omen_unicode_ligatures', form_text, 'U+FB00 to U+FB06.')
    text += array('omen_unicode_halves', bytes(h - 0x3000 for h in half), 'U+FF66 to U+FF9F, less U+3000.')
    header = f'''/* Made by cmake/tools/unicode_tables.py from the Unicode Character Database {db.version}; do not edit. */
#ifndef OMEN_TEXT_UNICODE_TABLES_H
#define OMEN_TEXT_UNICODE_TABLES_H

#include <stdint.h>

enum {{
    OMEN_UNICODE_VERSION = {int(db.version.split('.')[0]) * 100 + int(db.version.split('.')[1])}, /* {db.version} */
    OMEN_UNICODE_RUNS = {len(runs)},
    OMEN_UNICODE_FOLDS = {len(folds)},
    OMEN_UNICODE_MARKS = {len(marks)},
    OMEN_UNICODE_PAIRS = {len(composed)},
    OMEN_UNICODE_PLAINS = {len(plain)},
}};
extern const uint8_t omen_unicode_lengths[{len(lengths.bytes)}];
extern const uint8_t omen_unicode_kinds[{len(packed)}];
extern const uint8_t omen_unicode_folds[{len(fold_pack.bytes)}];
extern const uint8_t omen_unicode_marks[{len(marks_pack.bytes)}];
extern const uint8_t omen_unicode_pairs[{len(pairs.bytes)}];
extern const uint8_t omen_unicode_letters[{len(plain_pack.bytes)}];
extern const uint8_t omen_unicode_ligatures[{len(form_text)}];
extern const uint8_t omen_unicode_halves[{len(half)}];

#endif
'''
    with open(target, 'w', encoding='utf-8') as f:
        f.write(text)
    with open(target[:-1] + 'h', 'w', encoding='utf-8') as f:
        f.write(header)


if __name__ == '__main__':
    main()
