/* facets_model.h - parts whose columns are intact as segments and wrong inside. */
#ifndef OMEN_FACETS_MODEL_H
#define OMEN_FACETS_MODEL_H

#include "columns_model.h"

/* A copy of m's segment in a store of its own, with wrong bytes in one of the sections of columns; not opened. */
static TEST_UNUSED omen_status model_damage(const model *m, model *d) {
    const omen_section *sections[3] = {m->columns->directory, m->columns->statistics, m->columns->data};
    int target = test_rand_below(2) ? 2 : (int)test_rand_below(2);
    omen_segment_writer *w = NULL;
    *d = *m;
    d->segment = NULL;
    d->columns = NULL;
    d->fs = fault_storage_new(1);
    fixture_init(&d->x, d->fs, 7, 1 << 20);
    omen_status s = omen_segment_writer_new(&d->x.store, 1, &w, NULL);
    for (int i = 0; i < 3 && s == OMEN_OK; i++) {
        if (sections[i] == NULL) continue;
        size_t len = (size_t)sections[i]->raw_len, done = 0;
        uint8_t *bytes = malloc(len);
        s = omen_segment_read(m->segment, sections[i], 0, len, bytes, &done, NULL);
        for (int k = 0; k < (i == 0 ? 1 : 200) && i == target; k++) bytes[test_rand_below(len)] = test_rand_below(2) ? 0xff : (uint8_t)test_rand();
        if (s == OMEN_OK) s = omen_segment_section_begin(w, sections[i]->kind, 0, 0, OMEN_BLOCK_BYTES, NULL);
        if (s == OMEN_OK) s = omen_segment_section_write(w, bytes, len, NULL);
        if (s == OMEN_OK) s = omen_segment_section_end(w, NULL);
        free(bytes);
    }
    if (s == OMEN_OK) s = omen_segment_writer_finish(w, &d->info, NULL);
    omen_segment_writer_free(w);
    return s;
}

static TEST_UNUSED void model_damage_deinit(model *d) {
    omen_columns_free(d->columns);
    omen_segment_close(d->segment);
    CHECK_EQ_UINT(fixture_deinit(&d->x), 0);
    fault_storage_free(d->fs);
}

#endif
