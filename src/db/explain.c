/* explain.c - how a search was answered: for each source of rows what was done with it, why, and what that cost. */
#include "db/indexing.h"
#include "db/search.h"

static void put(omen_jw *w, const char *key, uint64_t value) {
    omen_jw_key(w, key);
    omen_jw_u64(w, value);
}

void omen_index_write_json(const omen_index *x, omen_jw *w) {
    const omen_index_options *o = omen_index_options_of(x);
    const omen_segment_info *info = omen_index_info(x);
    char hash[33];
    uint32_t points;
    const omen_index_point *p = omen_index_audit(x, &points);
    omen_hash128_hex(&info->hash, hash);
    omen_jw_object(w);
    omen_jw_key(w, "kind");
    omen_jw_cstr(w, omen_index_kind_name(o->kind));
    omen_jw_key(w, "codec");
    omen_jw_cstr(w, omen_codec_name(o->codec));
    if (o->m != 0) put(w, "m", o->m);
    if (o->ef_construction != 0) put(w, "efConstruction", o->ef_construction);
    if (o->lists != 0) put(w, "lists", o->lists);
    if (o->bits != 0) put(w, "bits", o->bits);
    omen_jw_key(w, "file");
    omen_jw_cstr(w, omen_segment_file_name(info->number).text);
    omen_jw_key(w, "hash");
    omen_jw_cstr(w, hash);
    put(w, "bytes", info->length);
    put(w, "memoryBytes", omen_index_memory(x));
    omen_jw_key(w, "audit");
    omen_jw_array(w);
    for (uint32_t i = 0; i < points; i++) {
        omen_jw_object(w);
        omen_jw_key(w, o->kind == OMEN_INDEX_IVF ? "nprobe" : "slack");
        omen_jw_f64(w, o->kind == OMEN_INDEX_IVF ? p[i].effort : p[i].effort / 4096.0);
        put(w, "candidates", p[i].want);
        omen_jw_key(w, "recall");
        omen_jw_f64(w, p[i].recall / 65536.0);
        omen_jw_object_end(w);
    }
    omen_jw_array_end(w);
    omen_jw_object_end(w);
}

static const omen_ann_source *ann_of(const omen_vector_leg *l, uint32_t number) {
    for (uint32_t i = 0; i < l->ann.source_count; i++)
        if (l->ann_sources[i].number == number) return &l->ann_sources[i];
    return NULL;
}

static const omen_match_source *matches_of(const omen_vector_leg *l, uint32_t number) {
    for (uint32_t i = 0; i < l->matches.source_count; i++)
        if (l->match_sources[i].number == number) return &l->match_sources[i];
    return NULL;
}

static void write_index(const omen_ann_source *s, omen_jw *w) {
    const omen_index_options *o = omen_index_options_of(s->index);
    omen_jw_key(w, "index");
    omen_jw_cstr(w, omen_index_kind_name(o->kind));
    put(w, o->kind == OMEN_INDEX_IVF ? "nprobe" : s->slack != 0 ? "efMax" : "ef", s->effort);
    if (s->slack != 0) {
        omen_jw_key(w, "slack");
        omen_jw_f64(w, s->slack / 4096.0);
    }
    put(w, "wanted", s->want);
    put(w, "widened", s->widened);
    put(w, "candidates", s->candidates);
    put(w, "ranked", s->ranked);
    put(w, "codeDistances", s->work.distances);
    put(w, "codeBytes", s->work.bytes);
    put(w, "hops", s->work.hops);
    omen_jw_key(w, "scanned");
    omen_jw_bool(w, s->gave_up);
    put(w, "blocks", s->work.blocks);
    put(w, "microseconds", s->ns / 1000);
}

static void write_part(const omen_vector_leg *l, uint32_t p, omen_jw *w) {
    const omen_part_state *state = &l->v->parts[p];
    uint32_t field = l->ask.field;
    const omen_ann_source *s = ann_of(l, l->v->table_count + p);
    const omen_match_source *m = matches_of(l, l->v->table_count + p);
    char why[OMEN_INDEXING_WHY];
    omen_indexing_why(l->db, l->v, state, field, why, sizeof why);
    omen_jw_object(w);
    omen_jw_key(w, "source");
    omen_jw_cstr(w, omen_segment_file_name(omen_segment_info_of(state->part->segment)->number).text);
    put(w, "rows", state->part->rows);
    put(w, "deletedRows", state->dead == NULL ? 0 : state->dead->ones);
    if (l->select != NULL) {
        const omen_select_part *x = &l->select->parts[p];
        omen_jw_key(w, "estimatedMatches");
        omen_jw_f64(w, x->estimate);
        put(w, "matches", x->may->ones);
        put(w, "documentsToAsk", x->ask == NULL ? 0 : x->ask->ones);
    }
    if (s != NULL) {
        write_index(s, w);
        omen_jw_key(w, "why");
        omen_jw_cstr(w, why);
    } else if (m != NULL) {
        omen_jw_key(w, "index");
        omen_jw_cstr(w, "matches");
        put(w, "microseconds", m->ns / 1000);
        omen_jw_key(w, "why");
        omen_jw_cstr(w, "so few rows match the filter that comparing those alone is best");
    } else {
        omen_jw_key(w, "index");
        omen_jw_cstr(w, "flat");
        omen_jw_key(w, "why");
        bool has = omen_part_index(state, field) != NULL;
        omen_jw_cstr(w, has ? "exact search was asked for, or so many hits that comparing every row is better" : why);
    }
    omen_jw_object_end(w);
}

/* A share of 0 to 1 with no more digits than tell it from other floats: 0.95, not 0.949999988079071. */
static double shortest(float share) {
    for (uint64_t scale = 10; scale <= 1000000000; scale *= 10) {
        double near = (double)(uint64_t)((double)share * (double)scale + 0.5) / (double)scale;
        if ((float)near == share) return near;
    }
    return share;
}

void omen_vector_leg_explain(const omen_vector_leg *l, omen_jw *w) {
    const omen_coll_version *v = l->v;
    omen_jw_key(w, "recall");
    omen_jw_f64(w, shortest(l->recall));
    omen_jw_key(w, "sources");
    omen_jw_array(w);
    for (uint32_t t = 0; t < v->table_count; t++) {
        omen_jw_object(w);
        omen_jw_key(w, "source");
        omen_jw_cstr(w, t + 1 == v->table_count ? "memory" : "memory, to be flushed");
        put(w, "rows", omen_memtable_rows(v->tables[t].table));
        omen_jw_key(w, "index");
        omen_jw_cstr(w, "flat");
        omen_jw_key(w, "why");
        omen_jw_cstr(w, "rows that are not in a segment yet are all compared");
        omen_jw_object_end(w);
    }
    for (uint32_t p = 0; p < v->part_count; p++) write_part(l, p, w);
    omen_jw_array_end(w);
    put(w, "exactDistances", l->exact.distances + l->matches.distances + l->again.distances);
    put(w, "exactMicroseconds", l->exact_ns / 1000);
}

static void write_filter(const omen_select *s, omen_jw *w) {
    omen_jw_key(w, "filter");
    omen_jw_object(w);
    omen_jw_key(w, "estimatedMatches");
    omen_jw_f64(w, omen_select_estimate(s));
    put(w, "columnBlocks", s->looked);
    put(w, "columnBlocksSkipped", s->skipped);
    put(w, "documents", s->asked);
    put(w, "microseconds", s->ns / 1000);
    omen_jw_object_end(w);
}

/* A search of one vector leg is told as it is; of more, each leg by its name. */
void omen_explain_write(omen_read_op *op, omen_jw *w) {
    const omen_search_op *s = op->search;
    omen_jw_object(w);
    put(w, "k", s->k);
    if (op->select != NULL) write_filter(op->select, w);
    if (s->ordering != NULL) {
        omen_search_order_explain(op, w);
    } else if (s->leg_count == 1 && s->vector_count == 1) {
        omen_vector_leg_explain(&s->vector_legs[0], w);
    } else {
        put(w, "depth", s->depth);
        omen_jw_key(w, "legs");
        omen_jw_array(w);
        for (uint32_t l = 0; l < s->leg_count; l++) {
            omen_jw_object(w);
            omen_jw_key(w, "leg");
            omen_jw_str(w, s->names[l]);
            if (s->leg_count > 1) {
                omen_jw_key(w, "share");
                omen_jw_f64(w, s->fused.shares[l]);
            }
            switch (omen_search_leg_of(s, l)) {
                case OMEN_LEG_VECTOR: omen_vector_leg_explain(&s->vector_legs[l], w); break;
                case OMEN_LEG_WORDS: omen_text_leg_explain(&s->text, w); break;
                case OMEN_LEG_SPARSE: omen_text_leg_explain(&s->sparse, w); break;
                case OMEN_LEG_MULTI: omen_multi_leg_explain(&s->multi, w); break;
            }
            omen_jw_object_end(w);
        }
        omen_jw_array_end(w);
    }
    if (s->reranking != NULL) omen_search_rerank_explain(op, w);
    put(w, "hits", op->results->count);
    put(w, "microseconds", (op->db->host->ticks_ns(op->db->host->ctx) - op->begun_ns) / 1000);
    omen_jw_object_end(w);
}
