#include "text/query.h"

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a text query"); }

/* ---- pieces ---- */

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_special(char c) { return c == '+' || c == '-' || c == '"' || c == '*' || c == '\\'; }

typedef struct parser {
    omen_str query;
    size_t at;
    char *text; /* room for all pieces' */
    size_t used;
} parser;

/* The characters up to a quote (in_quotes) or to white space or a quote; *star: an unescaped star was the last of at least two. */
static omen_str take_text(parser *p, bool in_quotes, bool *star) {
    omen_str out = {p->text + p->used, 0};
    bool last = false;
    for (; p->at < p->query.len; p->at++) {
        char c = p->query.data[p->at];
        if (c == '"' || (!in_quotes && is_space(c))) break;
        last = c == '*';
        if (c == '\\' && p->at + 1 < p->query.len && is_special(p->query.data[p->at + 1])) c = p->query.data[++p->at];
        p->text[p->used++] = c;
        out.len++;
    }
    *star = last && out.len > 1;
    if (*star) out.len--;
    return out;
}

static omen_status take_piece(parser *p, bool all, omen_text_piece *out, omen_error *err) {
    char sign = p->query.data[p->at];
    size_t begin = p->at;
    bool star;
    *out = (omen_text_piece){.occur = sign == '+' ? OMEN_TEXT_MUST : sign == '-' ? OMEN_TEXT_MUST_NOT : all ? OMEN_TEXT_MUST : OMEN_TEXT_SHOULD};
    if (sign == '+' || sign == '-') p->at++;
    if (p->at < p->query.len && p->query.data[p->at] == '"') {
        begin = p->at++;
        out->kind = OMEN_PIECE_PHRASE;
        out->text = take_text(p, true, &star);
        out->text.len += star;
        if (p->at == p->query.len)
            return omen_fail(err, OMEN_ERR_INVALID, "the quote at byte %zu of the text query is not closed; close it, or write \\\" for the character", begin);
        p->at++;
        return OMEN_OK;
    }
    out->text = take_text(p, false, &star);
    out->kind = star ? OMEN_PIECE_PREFIX : OMEN_PIECE_WORDS;
    return OMEN_OK;
}

omen_status omen_text_parse(omen_arena *a, omen_str query, bool all, bool begun, omen_text_pieces *out, omen_error *err) {
    omen_text_piece *pieces = NULL;
    *out = (omen_text_pieces){0};
    if (query.len > OMEN_TEXT_QUERY_BYTES) return omen_fail(err, OMEN_ERR_TOO_LARGE, "the text query has %zu bytes; at most %u are allowed", query.len, OMEN_TEXT_QUERY_BYTES);
    parser p = {.query = query, .text = omen_arena_alloc(a, query.len + 1, 1)};
    uint32_t most = OMEN_MIN(OMEN_TEXT_QUERY_PIECES, (uint32_t)query.len);
    pieces = omen_arena_alloc(a, most * sizeof *pieces + 1, 8);
    if (p.text == NULL || pieces == NULL) return out_of_memory(err);
    for (;;) {
        omen_text_piece piece;
        while (p.at < query.len && is_space(query.data[p.at])) p.at++;
        if (p.at == query.len) break;
        OMEN_TRY(take_piece(&p, all, &piece, err));
        if (piece.text.len == 0) continue;
        if (out->count == most) return omen_fail(err, OMEN_ERR_TOO_LARGE, "the text query has more than %u words", most);
        pieces[out->count++] = piece;
    }
    omen_text_piece *last = out->count == 0 ? NULL : &pieces[out->count - 1];
    if (begun && last != NULL && last->kind == OMEN_PIECE_WORDS && !is_space(query.data[query.len - 1])) last->kind = OMEN_PIECE_PREFIX;
    out->of = pieces;
    return OMEN_OK;
}

/* ---- items ---- */

/* A token of a piece as one analyzer has it. */
typedef struct taken {
    uint8_t term[OMEN_TERM_MAX];
    uint32_t len, start, position, analyzer;
    bool prefix; /* terms that begin with it, instead of it */
    bool exact;  /* beside such: no typos */
} taken;

typedef struct build {
    omen_arena *arena;
    const omen_text_choice *fields;
    uint32_t field_count, analyzers;
    omen_analyzer *analyzer[OMEN_TEXT_FIELDS]; /* distinct */
    uint64_t mask[OMEN_TEXT_FIELDS];           /* fields of each */
    bool typos;
    omen_buf taken; /* of a piece */
    omen_buf items;
} build;

static void list_analyzers(build *b) {
    for (uint32_t i = 0; i < b->field_count; i++) {
        uint32_t k = 0;
        while (k < b->analyzers && b->analyzer[k] != b->fields[i].analyzer) k++;
        if (k == b->analyzers) b->analyzer[b->analyzers++] = b->fields[i].analyzer;
        b->mask[k] |= UINT64_C(1) << b->fields[i].field;
    }
}

static omen_status take(build *b, uint32_t analyzer, const omen_token *t, bool exact) {
    taken k = {.len = t->len, .start = t->start, .position = t->position, .analyzer = analyzer, .exact = exact};
    memcpy(k.term, t->term, t->len);
    return omen_buf_append(&b->taken, &k, sizeof k);
}

static taken *taken_at(const build *b, size_t i) { return (taken *)(void *)b->taken.data + i; }
static size_t taken_count(const build *b) { return b->taken.len / sizeof(taken); }

/* Begun words: the last word of the piece as it is written, and what the stemmer makes of it where that begins otherwise. */
static omen_status take_prefix(build *b, uint32_t k, omen_str text) {
    omen_token t;
    taken last = {0};
    omen_analyzer_start(b->analyzer[k], text.data, text.len, OMEN_ANALYZE_NO_STEM | OMEN_ANALYZE_KEEP_STOP);
    while (omen_analyzer_next(b->analyzer[k], &t)) {
        last = (taken){.len = t.len, .start = t.start, .position = t.position, .analyzer = k, .prefix = true};
        memcpy(last.term, t.term, t.len);
    }
    omen_analyzer_start(b->analyzer[k], text.data, text.len, 0);
    while (omen_analyzer_next(b->analyzer[k], &t)) {
        bool same = last.len != 0 && t.start == last.start;
        if (same && t.len >= last.len && memcmp(t.term, last.term, last.len) == 0) continue;
        OMEN_TRY(take(b, k, &t, same));
    }
    return last.len == 0 ? OMEN_OK : omen_buf_append(&b->taken, &last, sizeof last);
}

static omen_status take_words(build *b, const omen_text_piece *p) {
    omen_token t;
    b->taken.len = 0;
    for (uint32_t k = 0; k < b->analyzers; k++) {
        if (p->kind == OMEN_PIECE_PREFIX) {
            OMEN_TRY(take_prefix(b, k, p->text));
            continue;
        }
        omen_analyzer_start(b->analyzer[k], p->text.data, p->text.len, 0);
        while (omen_analyzer_next(b->analyzer[k], &t)) OMEN_TRY(take(b, k, &t, false));
    }
    return OMEN_OK;
}

static omen_text_word *words_of(build *b, const taken *from, uint32_t count) {
    omen_text_word *w = omen_arena_alloc(b->arena, count * sizeof *w, 8);
    for (uint32_t i = 0; w != NULL && i < count; i++) {
        w[i] = (omen_text_word){.term = omen_arena_copy(b->arena, from[i].term, from[i].len), .len = from[i].len, .position = from[i].position};
        if (w[i].term == NULL) return NULL;
    }
    return w;
}

static omen_status add_item(build *b, const taken *from, uint32_t count, omen_text_kind kind, omen_text_occur occur, bool also) {
    omen_text_item t = {.kind = kind, .occur = occur, .boost = 1.0f, .also = also, .fields = b->mask[from->analyzer], .words = words_of(b, from, count), .word_count = count};
    if (t.words == NULL) return OMEN_ERR_MEMORY;
    if (from->prefix) t.kind = OMEN_TEXT_PREFIX;
    if (t.kind == OMEN_TEXT_WORD && b->typos && !from->exact && occur != OMEN_TEXT_MUST_NOT) {
        uint32_t chars = omen_terms_chars(from->term, from->len);
        t.edits = chars > OMEN_TYPO_CHARS ? 0 : omen_terms_edits(chars);
        t.exact = OMEN_TYPO_EXACT;
        if (t.edits != 0) t.kind = OMEN_TEXT_TYPO;
    }
    return omen_buf_append(&b->items, &t, sizeof t);
}

static uint64_t every_analyzer(const build *b) { return b->analyzers == 64 ? ~UINT64_C(0) : (UINT64_C(1) << b->analyzers) - 1; }

/* A phrase as each analyzer has it: ways to have one thing. */
static omen_status add_phrase(build *b, omen_text_occur occur, omen_error *err) {
    size_t n = taken_count(b), end;
    uint64_t seen = 0;
    for (size_t i = 0; i < n; i++) seen |= UINT64_C(1) << taken_at(b, i)->analyzer;
    if (occur == OMEN_TEXT_MUST && seen != every_analyzer(b)) occur = OMEN_TEXT_SHOULD;
    for (size_t i = 0; i < n; i = end) {
        for (end = i; end < n && taken_at(b, end)->analyzer == taken_at(b, i)->analyzer;) end++;
        if (end - i > OMEN_TEXT_PHRASE_WORDS) return omen_fail(err, OMEN_ERR_TOO_LARGE, "a phrase of the text query has %zu words; at most %u are allowed", end - i, OMEN_TEXT_PHRASE_WORDS);
        omen_status s = add_item(b, taken_at(b, i), (uint32_t)(end - i), end - i == 1 ? OMEN_TEXT_WORD : OMEN_TEXT_PHRASE, occur, i != 0);
        if (s != OMEN_OK) return out_of_memory(err);
    }
    return OMEN_OK;
}

/* Tokens that begin at the same place are ways to have one word. */
static omen_status add_words(build *b, omen_text_occur occur) {
    size_t n = taken_count(b);
    for (size_t i = 0; i < n; i++) {
        const taken *first = taken_at(b, i);
        uint64_t seen = 0;
        bool known = false;
        for (size_t k = 0; k < i && !known; k++) known = taken_at(b, k)->start == first->start;
        if (known) continue;
        for (size_t k = i; k < n; k++)
            if (taken_at(b, k)->start == first->start) seen |= UINT64_C(1) << taken_at(b, k)->analyzer;
        omen_text_occur o = occur == OMEN_TEXT_MUST && seen != every_analyzer(b) ? OMEN_TEXT_SHOULD : occur;
        for (size_t k = i; k < n; k++)
            if (taken_at(b, k)->start == first->start) OMEN_TRY(add_item(b, taken_at(b, k), 1, OMEN_TEXT_WORD, o, k != i));
    }
    return OMEN_OK;
}

static omen_status too_many(omen_error *err) {
    return omen_fail(err, OMEN_ERR_TOO_LARGE, "the text query has more than %u words, counted once for each language of the fields; leave some out", OMEN_TEXT_ITEMS);
}

static omen_status add_pieces(build *b, const omen_text_pieces *pieces, omen_error *err) {
    for (uint32_t i = 0; i < pieces->count; i++) {
        const omen_text_piece *p = &pieces->of[i];
        if (take_words(b, p) != OMEN_OK) return out_of_memory(err);
        if (taken_count(b) > OMEN_TEXT_ITEMS) return too_many(err);
        if (p->kind == OMEN_PIECE_PHRASE) OMEN_TRY(add_phrase(b, p->occur, err));
        else if (add_words(b, p->occur) != OMEN_OK) return out_of_memory(err);
        if (b->items.len / sizeof(omen_text_item) > OMEN_TEXT_ITEMS)
            return too_many(err);
    }
    return OMEN_OK;
}

omen_status omen_text_items(omen_arena *a, const omen_text_pieces *pieces, const omen_text_choice *fields, uint32_t field_count, bool typos, const omen_text_item **items,
                            uint32_t *count, omen_error *err) {
    build b = {.arena = a, .fields = fields, .field_count = field_count, .typos = typos};
    OMEN_ASSERT(field_count <= OMEN_TEXT_FIELDS);
    list_analyzers(&b);
    omen_buf_init(&b.taken, a->mem);
    omen_buf_init(&b.items, a->mem);
    omen_status s = add_pieces(&b, pieces, err);
    *count = (uint32_t)(b.items.len / sizeof(omen_text_item));
    omen_text_item *copy = omen_arena_alloc(a, b.items.len + 1, 16);
    if (s == OMEN_OK && copy == NULL) s = out_of_memory(err);
    if (s == OMEN_OK && b.items.len != 0) memcpy(copy, b.items.data, b.items.len);
    *items = copy;
    omen_buf_deinit(&b.taken);
    omen_buf_deinit(&b.items);
    return s;
}
