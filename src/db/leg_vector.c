#include "db/leg_vector.h"

#include "column/element.h"

/* Share of the nearest to find when a query does not say. */
#define DEFAULT_RECALL 0.95f
/* Part of a source's rows from which on comparing all of them is the better plan. */
#define MANY 8u

static omen_status out_of_memory(omen_error *err) { return omen_fail(err, OMEN_ERR_MEMORY, "out of memory in a search"); }

static omen_status check(const omen_coll_version *v, const omen_vector_ask *ask, omen_error *err) {
    const omen_vector_field *field = &v->coll->schema.schema.vectors[ask->field];
    if (ask->vector == NULL) return omen_fail(err, OMEN_ERR_INVALID, "the query has no vector; give one of %u dimensions", field->dimensions);
    if (ask->dimensions != field->dimensions)
        return omen_fail(err, OMEN_ERR_DIMENSION, "the query vector has %u dimensions, field \"%.*s\" of collection \"%.*s\" has %u", ask->dimensions,
                         (int)field->name.len, field->name.data, (int)v->coll->name.len, v->coll->name.data, field->dimensions);
    bool floats = field->element == OMEN_ELEMENT_F32 || field->element == OMEN_ELEMENT_F16;
    const float *f = floats ? ask->vector : NULL;
    for (uint32_t d = 0; floats && d < ask->dimensions; d++)
        if (f[d] - f[d] != 0.0f) return omen_fail(err, OMEN_ERR_NOT_FINITE, "the query vector is NaN or infinite at dimension %u", d);
    if (!(ask->recall >= 0.0f && ask->recall <= 1.0f)) return omen_fail(err, OMEN_ERR_INVALID, "recall is the share of the nearest to find: above 0, at most 1 (0: the default, 0.95)");
    if (ask->ef > OMEN_MAX_K) return omen_fail(err, OMEN_ERR_INVALID, "ef is %u; candidates kept while walking a graph are 1 to %u (0: from recall)", ask->ef, OMEN_MAX_K);
    if (ask->nprobe > 65536) return omen_fail(err, OMEN_ERR_INVALID, "nprobe is %u; lists to look into are 1 to 65536 (0: from recall)", ask->nprobe);
    if (ask->exact && (ask->ef != 0 || ask->nprobe != 0)) return omen_fail(err, OMEN_ERR_INVALID, "exact compares every record, so it takes neither ef nor nprobe; leave one of the two out");
    return OMEN_OK;
}

omen_status omen_vector_leg_init(omen_vector_leg *l, omen_db *db, omen_arena *a, const omen_snapshot *snapshot, const omen_coll_version *v, omen_select *select,
                                 const omen_vector_ask *ask, omen_error *err) {
    const omen_vector_field *field = &v->coll->schema.schema.vectors[ask->field];
    OMEN_TRY(check(v, ask, err));
    size_t bytes = omen_element_given_bytes(field->element, ask->dimensions);
    *l = (omen_vector_leg){.db = db, .v = v, .select = select, .ask = *ask, .source_count = v->table_count + v->part_count, .begun_ns = db->host->ticks_ns(db->host->ctx)};
    l->recall = ask->recall > 0.0f ? ask->recall : DEFAULT_RECALL;
    l->query = omen_arena_alloc(a, bytes, 64);
    l->ann_sources = omen_arena_alloc(a, v->part_count * sizeof *l->ann_sources + 8, 8);
    l->match_sources = omen_arena_alloc(a, v->part_count * sizeof *l->match_sources + 8, 8);
    l->again_sources = omen_arena_alloc(a, v->part_count * sizeof *l->again_sources + 8, 8);
    if (l->query == NULL || l->ann_sources == NULL || l->match_sources == NULL || l->again_sources == NULL) return out_of_memory(err);
    memcpy(l->query, ask->vector, bytes);
    l->ranker = omen_ranker_of(field->metric, field->element, field->dimensions, l->query);
    l->ranker.best = ask->best;
    if (field->metric == OMEN_METRIC_COSINE && l->ranker.query_norm == 0.0f)
        return omen_fail(err, OMEN_ERR_ZERO_VECTOR, "the query vector has no direction (its length is zero, too small or too large); cosine needs one");
    if (field->element == OMEN_ELEMENT_I8) {
        l->floats = omen_arena_alloc(a, field->dimensions * sizeof(float), 64);
        if (l->floats == NULL) return out_of_memory(err);
        for (uint32_t d = 0; d < field->dimensions; d++) l->floats[d] = ((const int8_t *)l->query)[d];
    }
    OMEN_TRY(omen_sources_list(a, snapshot, v, ask->field, select, &l->sources, &l->scan, err));
    l->all = omen_arena_alloc(a, l->source_count * sizeof *l->all + 8, 8);
    if (l->all == NULL) return out_of_memory(err);
    memcpy(l->all, l->scan, l->source_count * sizeof *l->all);
    return omen_exact_init(&l->exact, &db->mem, l->scan, l->source_count, ask->field, &l->ranker, ask->k, err);
}

void omen_vector_leg_deinit(omen_vector_leg *l) {
    if (l->db == NULL) return;
    omen_ann_deinit(&l->ann);
    omen_matches_deinit(&l->matches);
    omen_matches_deinit(&l->again);
    omen_exact_deinit(&l->exact);
}

/* What its index is to be asked for; false: it is no way to answer this. */
static bool plan_index(const omen_vector_leg *l, const omen_part_state *part, uint32_t matching, omen_ann_source *s) {
    const omen_vector_ask *ask = &l->ask;
    omen_index *index = omen_part_index(part, ask->field);
    uint32_t rows = part->part->rows;
    if (index == NULL || omen_index_spoiled(index) || ask->exact || ask->best != NULL || ask->k > OMEN_ANN_MAX_K) return false;
    /* Where most rows are dead a walk would see little else. */
    if (part->dead != NULL && part->dead->ones > rows / 2) return false;
    bool lists = omen_index_options_of(index)->kind == OMEN_INDEX_IVF;
    uint32_t given = lists ? ask->nprobe : ask->ef;
    if (given == 0 && l->recall >= 1.0f) return false;
    omen_index_plan plan = omen_index_plan_for(index, ask->k, l->recall);
    s->index = index;
    s->dead = part->dead;
    s->effort = plan.effort;
    s->slack = plan.slack;
    s->want = plan.want;
    /* Rows that died take places among what is looked at. */
    if (s->dead != NULL) {
        uint64_t live = rows - s->dead->ones;
        s->effort = (uint32_t)OMEN_MIN((uint64_t)s->effort * rows / live + 1, 1u << 20);
        s->want = (uint32_t)OMEN_MIN((uint64_t)s->want * rows / live + 1, rows);
    }
    if (given != 0) {
        s->slack = 0;
        s->effort = lists ? given : OMEN_MAX(given, ask->k);
        s->want = omen_index_want(index, ask->k, given);
    }
    if (l->select == NULL) return s->want < matching / MANY;
    /* With a filter: unless comparing the rows that match is less work. */
    omen_index_plan so = {s->effort, s->slack, s->want};
    return l->ask.plan == OMEN_PLAN_INDEX || omen_index_filtered_cost(index, matching, &so) < matching;
}

/* What comparing a row by itself costs beside comparing one among its neighbours, in bytes that could have been read meanwhile: finding it, its id, and a cache that misses. */
#define APART 1024u

/* So few rows that comparing them is as good as free, and misses none. */
#define FEW (1u << 20)

static bool are_few(const omen_vector_leg *l, uint32_t matching) {
    return (uint64_t)matching * (omen_element_bytes(l->ranker.element, l->ranker.dimensions) + APART) <= FEW;
}

/* Whether the rows that match are best compared one by one, and not in blocks. */
static bool compare_apart(const omen_vector_leg *l, uint32_t rows, uint32_t matching) {
    uint64_t bytes = omen_element_bytes(l->ranker.element, l->ranker.dimensions);
    return (uint64_t)matching * (bytes + APART) < (uint64_t)rows * bytes;
}

/* Parts that an index answers for, or whose few matches are compared by themselves, are taken from what is compared whole. */
static void plan(omen_vector_leg *l) {
    omen_vector_plan wish = l->ask.plan;
    uint32_t indexed = 0, matched = 0;
    for (uint32_t p = 0; p < l->v->part_count; p++) {
        const omen_part_state *part = &l->v->parts[p];
        const omen_bits *may = l->select == NULL ? NULL : l->select->parts[p].may;
        uint32_t rows = part->part->rows, matching = may == NULL ? rows : may->ones, number = l->v->table_count + p;
        omen_ann_source s = {.rows = &l->all[number], .number = number, .accept = may};
        bool few = may != NULL && wish == OMEN_PLAN_AUTO && are_few(l, matching);
        bool can = wish <= OMEN_PLAN_INDEX && !few && plan_index(l, part, matching, &s);
        if (can) {
            l->scan[number].rows = 0;
            l->ann_sources[indexed++] = s;
        } else if (may != NULL && wish != OMEN_PLAN_SCAN && (wish == OMEN_PLAN_MATCHES || compare_apart(l, rows, matching))) {
            l->scan[number].rows = 0;
            l->match_sources[matched++] = (omen_match_source){.rows = &l->all[number], .number = number, .accept = may};
        }
    }
    omen_ann_init(&l->ann, &l->db->mem, l->ann_sources, indexed, l->ask.field, &l->ranker, l->floats != NULL ? (void *)l->floats : l->query, &l->exact.top);
    omen_matches_init(&l->matches, &l->db->mem, l->match_sources, matched, l->ask.field, &l->ranker, &l->exact.top);
    l->matches.deadline_ns = l->ann.deadline_ns = l->exact.deadline_ns;
}

/* Maintenance builds a damaged index anew. */
static void note_damage(omen_vector_leg *l) {
    for (uint32_t i = 0; i < l->ann.source_count; i++) {
        if (!l->ann_sources[i].gave_up || !omen_index_spoiled(l->ann_sources[i].index)) continue;
        omen_counter_add(&l->db->metrics.index_failures, 1);
        atomic_store(&l->db->index_due, true);
    }
}

/* Sources whose index found too little are compared after all; those that were compared already are not again. */
static void compare_what_gave_up(omen_vector_leg *l) {
    uint32_t matched = 0;
    for (uint32_t i = 0; i < l->source_count; i++) l->scan[i].rows = 0;
    for (uint32_t i = 0; i < l->ann.source_count; i++) {
        const omen_ann_source *s = &l->ann_sources[i];
        if (!s->gave_up) continue;
        if (s->accept != NULL && compare_apart(l, s->rows->rows, s->accept->ones)) l->again_sources[matched++] = (omen_match_source){.rows = s->rows, .number = s->number, .accept = s->accept};
        else l->scan[s->number].rows = s->rows->rows;
    }
    omen_exact_again(&l->exact);
    omen_matches_init(&l->again, &l->db->mem, l->again_sources, matched, l->ask.field, &l->ranker, &l->exact.top);
    l->again.deadline_ns = l->exact.deadline_ns;
}

static void count(omen_vector_leg *l) {
    size_t bytes = omen_element_bytes(l->ranker.element, l->ranker.dimensions);
    uint64_t compared = l->exact.distances + l->matches.distances + l->again.distances;
    for (uint32_t i = 0; i < l->ann.source_count; i++) {
        const omen_ann_source *s = &l->ann_sources[i];
        omen_counter_add(&l->db->metrics.distances, s->work.distances + s->ranked);
        omen_counter_add(&l->db->metrics.scanned_bytes, s->work.bytes + s->ranked * bytes);
    }
    omen_counter_add(&l->db->metrics.distances, compared);
    omen_counter_add(&l->db->metrics.scanned_bytes, compared * bytes);
}

omen_status omen_vector_leg_step(omen_vector_leg *l, omen_error *err) {
    if (l->done) return OMEN_OK;
    if (l->ann.mem == NULL) plan(l);
    if (!l->scanned) {
        OMEN_TRY(omen_exact_step(&l->exact, err));
        OMEN_TRY(omen_matches_step(&l->matches, err));
        l->scanned = true;
        l->exact_ns = l->db->host->ticks_ns(l->db->host->ctx) - l->begun_ns;
    }
    if (!l->proposed) {
        OMEN_TRY(omen_ann_step(&l->ann, err));
        l->proposed = true;
        note_damage(l);
        compare_what_gave_up(l);
    }
    OMEN_TRY(omen_exact_step(&l->exact, err));
    OMEN_TRY(omen_matches_step(&l->again, err));
    omen_topk_sort(&l->exact.top);
    count(l);
    l->done = true;
    return OMEN_OK;
}
