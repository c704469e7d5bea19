/* What is printed of an instant is read back as that instant. */
#include "test.h"

#include "column/filter.h"

static void there_and_back(int64_t ms) {
    char text[OMEN_TIME_TEXT];
    int64_t us = 0;
    omen_time_print(ms, text);
    if (!CHECK(omen_time_parse((omen_str){text, strlen(text)}, &us)) || !CHECK_EQ_INT(us, ms * 1000)) printf("    %s\n", text);
}

TEST(instants_come_back) {
    char text[OMEN_TIME_TEXT];
    omen_time_print(0, text);
    CHECK_EQ_STR(text, "1970-01-01T00:00:00.000Z");
    omen_time_print(951827696789, text);
    CHECK_EQ_STR(text, "2000-02-29T12:34:56.789Z");
    for (int64_t year = 0; year < 10000; year++) {
        int64_t day = -62167219200000 + year * 31556952000;
        for (int i = 0; i < 5; i++) there_and_back(OMEN_MIN(day + (int64_t)test_rand_below(366) * 86400000, 253402300799999));
    }
    for (int i = 0; i < 20000; i++) there_and_back((int64_t)(test_rand() % 315569433600000) - 62167219200000);
    there_and_back(-62167219200000);
    there_and_back(253402300799999);
}

TEST(beyond_the_calendar_is_its_end) {
    char text[OMEN_TIME_TEXT];
    omen_time_print(INT64_MAX, text);
    CHECK_EQ_STR(text, "9999-12-31T23:59:59.999Z");
    omen_time_print(INT64_MIN, text);
    CHECK_EQ_STR(text, "0000-01-01T00:00:00.000Z");
}

TEST_MAIN()
