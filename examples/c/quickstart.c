/* A C program: keep three notes in a folder, then ask which two are nearest to a vector.
 *
 *   cc quickstart.c $(pkg-config --cflags --libs omendb) -o quickstart && ./quickstart notes.omen
 */
#include <omendb.h>
#include <stdio.h>

#define CHECK(call) \
    if ((call) != OMEN_OK) return fprintf(stderr, "%s\n", omen_last_error()), 1

int main(int argc, char **argv) {
    omen_db *db;
    CHECK(omen_open(argc > 1 ? argv[1] : "notes.omen", NULL, &db)); /* NULL: the default options */

    omen_schema schema;
    omen_schema_init(&schema);
    omen_vector_field field = {.dimensions = 4, .metric = OMEN_METRIC_COSINE};
    schema.vectors = &field;
    schema.vector_count = 1;
    omen_collection *notes;
    CHECK(omen_collection_open(db, OMEN_STR("notes"), &schema, &notes));

    const omen_id ids[] = {OMEN_ID_STR("tea"), OMEN_ID_STR("coffee"), OMEN_ID_STR("bicycle")};
    const float rows[] = {0.9f, 0.1f, 0.0f, 0.2f, 0.8f, 0.3f, 0.1f, 0.1f, 0.0f, 0.2f, 0.9f, 0.4f};
    const omen_str documents[] = {OMEN_STR("{\"title\":\"How to brew green tea\"}"), OMEN_STR("{\"title\":\"Grinding coffee by hand\"}"),
                                  OMEN_STR("{\"title\":\"Mending a flat tyre\"}")};
    omen_batch batch = {.count = 3, .ids = ids, .vectors = (const void *const[]){rows}, .documents = documents};
    CHECK(omen_upsert(notes, &batch)); /* returns when the records would survive a power loss */

    omen_query query;
    omen_query_init(&query);
    query.vector = (const float[]){1.0f, 0.2f, 0.0f, 0.1f};
    query.dimensions = 4;
    query.k = 2;
    query.include = OMEN_INCLUDE_DOCUMENT;
    omen_results *hits;
    CHECK(omen_search(notes, &query, &hits));
    for (size_t i = 0; i < omen_results_count(hits); i++) {
        omen_id id = omen_results_id(hits, i);
        omen_str document = omen_results_document(hits, i);
        printf("%.*s %.4f %.4f %.*s\n", (int)id.text.len, id.text.data, omen_results_score(hits, i), omen_results_distance(hits, i),
               (int)document.len, document.data);
    }
    omen_results_free(hits);
    omen_collection_close(notes);
    return omen_close(db) == OMEN_OK ? 0 : 1;
}
