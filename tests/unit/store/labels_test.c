/* What is said of files that are encrypted: the id of their key, fit to be shown, and a storage's own words about a key that does not open them. */
#include "test.h"

#include "store/manifest.h"
#include "store/torn.h"
#include "store_fixture.h"

TEST(ids_of_keys_are_fit_to_be_shown) {
    static const struct { const char *id, *shown; } ids[] = {
        {"", ""},
        {"2026-11", "2026-11"},
        {"thirty-two bytes of an id to show", "thirty-two bytes of an id to sho"}, /* it has no more room */
        {"line\nbreak\x7f", "line?break?"},
        {"\x1b[31mred", "?[31mred"},
        {"a \"quoted\" \\ name", "a ?quoted? ? name"},
        {"clé", "clé"},
        {"cl\xe9 of another encoding", "cl? of another encoding"},
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(ids); i++) {
        uint8_t file[128] = "OMENSEAL";
        char label[33];
        size_t len = strlen(ids[i].id);
        memset(label, 'x', sizeof label);
        memcpy(file + 48, ids[i].id, len < 32 ? len : 32);
        omen_sealed_label(file, sizeof file, label);
        CHECK_EQ_STR(label, ids[i].shown);
        omen_sealed_label(file, OMEN_SEALED_LABEL - 1, label); /* cut off before its end */
        CHECK_EQ_STR(label, "");
        /* The same in the words of a manifest that was opened without a key. */
        fault_storage *fs = fault_storage_new(1);
        fixture x;
        omen_manifest *m = NULL;
        omen_error err = {0};
        omen_status s;
        char want[64];
        fault_storage_put(fs, "manifest-1", file, sizeof file);
        fixture_init(&x, fs, 7, 1 << 20);
        STEP(s, omen_manifest_open(&x.store, &m, &err));
        CHECK_STATUS(s, OMEN_ERR_KEY);
        snprintf(want, sizeof want, "the key \"%s\"", ids[i].shown);
        CHECK(strstr(err.text, len > 0 ? want : "a key without an id") != NULL);
        CHECK_EQ_UINT(fixture_deinit(&x), 0);
        fault_storage_free(fs);
    }
}

static const char *words;

static void why(void *ctx, char *text, size_t cap) {
    (void)ctx;
    snprintf(text, cap, "%s", words);
}

/* Only of a key, and only of a storage that has something to say; what it says is shown as it is. */
TEST(a_storage_says_why_a_key_does_not_open_it) {
    static const struct { omen_status status; bool ops; size_t size; bool function; const char *words, *text; } cases[] = {
        {OMEN_ERR_KEY, true, sizeof(omen_storage_ops), true, "encrypted with \"a\", 100%s", "encrypted with \"a\", 100%s"},
        {OMEN_ERR_KEY, true, sizeof(omen_storage_ops), true, "", "before"},
        {OMEN_ERR_KEY, true, sizeof(omen_storage_ops), false, "x", "before"},
        {OMEN_ERR_KEY, true, offsetof(omen_storage_ops, why), true, "x", "before"}, /* made before there was such a function */
        {OMEN_ERR_KEY, false, 0, false, "x", "before"},
        {OMEN_ERR_IO, true, sizeof(omen_storage_ops), true, "x", "before"},
        {OMEN_OK, true, sizeof(omen_storage_ops), true, "x", "before"},
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(cases); i++) {
        omen_storage_ops ops = {.struct_size = (uint32_t)cases[i].size, .why = cases[i].function ? why : NULL};
        omen_store st = {.storage.ops = cases[i].ops ? &ops : NULL};
        omen_error err = {.text = "before"};
        words = cases[i].words;
        CHECK_STATUS(omen_store_why(&st, cases[i].status, &err), cases[i].status);
        CHECK_EQ_STR(err.text, cases[i].text);
    }
}

TEST_MAIN()
