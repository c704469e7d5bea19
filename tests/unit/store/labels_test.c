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

static omen_status flaws_answer;

static omen_status tell(void *ctx, int mend, void (*each)(void *arg, const char *name, uint64_t offset, uint64_t bytes), void *arg) {
    (void)ctx;
    if (flaws_answer == OMEN_OK && !mend) each(arg, "seg-0000000000000001", 512, 512);
    return flaws_answer;
}

static void count_flaw(void *arg, const char *name, uint64_t offset, uint64_t bytes) {
    CHECK_EQ_STR(name, "seg-0000000000000001");
    CHECK(offset == 512 && bytes == 512);
    ++*(int *)arg;
}

/* Only a storage that can tell is asked; where it fails, that is said. */
TEST(a_storage_tells_what_it_read_although_it_is_damaged) {
    static const struct { size_t size; bool function, mend; omen_status answer; int told; const char *text; } cases[] = {
        {sizeof(omen_storage_ops), true, false, OMEN_OK, 1, ""},
        {sizeof(omen_storage_ops), true, true, OMEN_OK, 0, ""},
        {sizeof(omen_storage_ops), false, false, OMEN_OK, 0, ""},
        {offsetof(omen_storage_ops, flaws), true, false, OMEN_OK, 0, ""}, /* made before there was such a function */
        {sizeof(omen_storage_ops), true, false, OMEN_PENDING, 0, ""},
        {sizeof(omen_storage_ops), true, false, OMEN_ERR_IO, 0, "cannot ask for damage in the storage"},
        {sizeof(omen_storage_ops), true, true, OMEN_ERR_FULL, 0, "cannot mend the storage"},
    };
    for (size_t i = 0; i < OMEN_ARRAY_LEN(cases); i++) {
        omen_storage_ops ops = {.struct_size = (uint32_t)cases[i].size, .flaws = cases[i].function ? tell : NULL};
        omen_store st = {.storage.ops = &ops};
        omen_error err = {0};
        int told = 0;
        flaws_answer = cases[i].answer;
        CHECK_STATUS(omen_store_flaws(&st, cases[i].mend, count_flaw, &told, &err), cases[i].answer);
        CHECK_EQ_INT(told, cases[i].told);
        CHECK(strncmp(err.text, cases[i].text, strlen(cases[i].text)) == 0 && (err.text[0] == '\0') == (cases[i].text[0] == '\0'));
    }
}

TEST_MAIN()
