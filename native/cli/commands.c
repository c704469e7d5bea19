/* commands.c - the table of commands: arguments, options, and their help. */
#include "cli/cli.h"

#define READING "collection field "
#define SHOWN "include-vector no-metadata "
#define INDEX "index index-m index-ef index-codec index-lists index-bits "
#define EFFORT "recall ef nprobe exact "
#define QUERY                                                                                                                        \
    "vector vector-file row id k filter words text-fields operator typos no-typos prefix sparse-query multi-query positive negative like-field like-by " \
    "rerank rerank-candidates fusion alpha weights rrf-k max-distance min-score mmr mmr-candidates group-by group-size group-missing order-by descending facets highlight "              \
    "highlight-fields highlight-length highlight-fragments plan deadline-ms "

const cli_command cli_commands[] = {
    {"create", cli_run_create, "DATABASE", 1, 1, "create a database, or a collection in it",
     "collection dimensions metric type vector-field text sparse multi ttl database-id " INDEX,
     "Makes the folder DATABASE. With --dimensions it also makes a collection of vectors of that length; with several\n"
     "--vector-field NAME:DIMENSIONS[:METRIC[:TYPE]] one that has several vectors in each record. A collection can be added to\n"
     "a database that is there already. Vectors of --type i8 are integers from -128 to 127; those of bit are written as bytes,\n"
     "each of 8 dimensions, the lowest bit first. --index says how vectors are to be found; `omendb help index` tells more.\n\n"
     "  omendb create notes --collection notes --dimensions 384 --metric cosine\n"
     "  omendb create shop --collection items --vector-field title:384 --vector-field photo:512:l2 --text body"},
    {"import", cli_run_import, "DATABASE FILE", 2, 2, "read records from fvecs, npy, JSON lines or CSV",
     "collection dimensions metric type field format id-field ids first-id skip limit batch mode vector-columns strings "
     "progress no-progress " INDEX,
     "FILE is .fvecs, .npy, .jsonl (or .ndjson) or .csv; - is standard input and needs --format. A database or collection\n"
     "that is not there is created, with as many dimensions as the first vector has.\n\n"
     "  fvecs, npy   one vector a row; ids are row numbers from --first-id (0), or the lines of the file --ids\n"
     "  JSON lines   {\"id\": 7, \"vector\": [1, 2], \"title\": \"...\"}: what is neither id nor vector is metadata\n"
     "  CSV          a header line; the vector is a JSON array in the column \"vector\", or lies in the columns v0, v1, ...\n"
     "               (another prefix: --vector-columns); numbers, true and false keep their type unless --strings; a\n"
     "               column \"document\" may hold a JSON object of metadata; empty cells are left out\n\n"
     "Indexes are built while the import runs and by every program that writes later; `omendb index` builds what is left.\n\n"
     "A record of JSON lines or CSV without an id gets its row number too; --id-field names the key or column of the id.\n\n"
     "Records are written in batches, each whole or not at all. When a record is refused, what was written before stays, and\n"
     "the message says with which --skip to go on.\n\n"
     "  omendb import sift base.fvecs --metric l2\n"
     "  zcat notes.jsonl.gz | omendb import notes - --format jsonl --id-field key"},
    {"export", cli_run_export, "DATABASE [FILE]", 1, 2, "write records as JSON lines, CSV, fvecs or npy",
     "collection field format ids filter limit force progress no-progress ",
     "Writes all records, or those of --filter, in the order of their ids, to standard output when there is no FILE (then --format says how; JSON\n"
     "lines when left out). FILE appears when it is complete. fvecs and npy hold the vectors of one field only; --ids writes\n"
     "the ids beside them, one a line.\n\n"
     "  omendb export notes notes.jsonl\n"
     "  omendb export notes vectors.npy --ids ids.txt"},
    {"upsert", cli_run_upsert, "DATABASE [RECORD...]", 1, -1, "put records given as JSON",
     "collection id-field mode ",
     "Each RECORD is a JSON object: {\"id\": 7, \"vector\": [1, 2], \"title\": \"...\"}. Without any they are read from standard\n"
     "input, one a line. All of them are one batch: all are written, or none.\n\n"
     "  omendb upsert notes '{\"id\": \"a\", \"vector\": [0.1, 0.2], \"title\": \"first\"}'"},
    {"search", cli_run_search, "DATABASE", 1, 1, "find records by vectors, words and filters",
     READING SHOWN EFFORT QUERY,
     "The vector is --vector '[0.1, 0.2]', or row --row (0) of --vector-file (fvecs, npy, JSON lines, CSV), or the one of the\n"
     "record --id, which is then left out of the answer. Smaller distances and larger scores are nearer. Distances are exact;\n"
     "where there is an index it may miss some of the nearest: --recall says what share is to be found, --exact that all are.\n\n"
     "--text finds words in the collection's text fields, alone or together with a vector: then both rankings become one. So do\n"
     "--sparse, --multi, and --positive and --negative, which search by example. --filter takes only records whose metadata match; docs/QUERIES.md\n"
     "tells all of it.\n\n"
     "  omendb search notes --vector '[0.1, 0.2]' -k 5\n"
     "  omendb search notes --text 'tea shop' --filter \"year >= 2020 AND lang IN ('en', 'de')\" --highlight --facets lang,tags\n"
     "  omendb search notes --id a --json"},
    {"explain", cli_run_explain, "DATABASE", 1, 1, "show how a search is answered", READING EFFORT QUERY,
     "Takes what `omendb search` takes, runs the search, and shows what became of the filter, and for memory and each segment how\n"
     "many rows there are, which index answered, why that one, its effort, and what it did.\n\n"
     "  omendb explain notes --vector '[0.1, 0.2]' --recall 0.99"},
    {"index", cli_run_index, "DATABASE", 1, 1, "build the indexes that are due, or change one",
     "collection field no-build progress no-progress " INDEX,
     "Builds every index that is due and lists all there are. With --index KIND the field's index is changed first; what is\n"
     "left out is chosen from the data.\n\n"
     "  auto   chosen for each segment by rows, dimensions and memory     flat   none: every record is compared\n"
     "  hnsw   a graph over 8-bit codes in memory                          disk   a graph read from storage on demand\n"
     "  ivf    lists of codes around centroids: little memory\n\n"
     "  omendb index notes\n"
     "  omendb index notes --index hnsw --index-m 24 --index-ef 200"},
    {"get", cli_run_get, "DATABASE ID...", 2, -1, "show records by their ids", "collection " SHOWN,
     "7 is the integer 7 and '\"7\"' the string. The exit code is 20 when one of the ids is not there.\n\n"
     "  omendb get notes a b --include-vector"},
    {"delete", cli_run_delete, "DATABASE [ID...]", 1, -1, "delete records by their ids or a filter", "collection filter ",
     "7 is the integer 7 and '\"7\"' the string. Ids that are not there are no error. Instead of ids, --filter says which.\n\n"
     "  omendb delete notes a b\n"
     "  omendb delete notes --filter 'year < 2000'"},
    {"update", cli_run_update, "DATABASE", 1, 1, "change the metadata of the records that a filter selects", "collection filter set ",
     "--set is merged into the metadata of each record (RFC 7396: null removes a key). All of them are changed, or none.\n"
     "Records by their ids are changed by `omendb upsert --mode update`.\n\n"
     "  omendb update notes --filter \"lang = 'js'\" --set '{\"lang\": \"javascript\", \"draft\": null}'"},
    {"expire", cli_run_expire, "DATABASE", 1, 1, "delete the records whose time to live is over", "collection ",
     "That time stands in the metadata, at the path that `omendb create --ttl PATH` named. No search, count or export sees such records\n"
     "any more; this makes room."},
    {"count", cli_run_count, "DATABASE", 1, 1, "count the records of a collection", "collection filter ", "All of them, or those that --filter selects."},
    {"collections", cli_run_collections, "DATABASE", 1, 1, "list the collections and their schemas", "", ""},
    {"drop", cli_run_drop, "DATABASE COLLECTION", 2, 2, "drop a collection with all its records", "force ",
     "Asks before it does so when it runs in a terminal, unless --force is given; elsewhere --force is needed."},
    {"flush", cli_run_flush, "DATABASE", 1, 1, "write what is in memory to segments", "", ""},
    {"compact", cli_run_compact, "DATABASE", 1, 1, "merge segments and drop deleted records", "", ""},
    {"backup", cli_run_backup, "DATABASE PLACE", 2, 2, "add a backup to a place of backups", "verify plain progress no-progress ",
     "PLACE is a folder of its own; it is made when it is absent. Only what no earlier backup has is copied, and all that is copied is read back. Another\n"
     "program may be writing the database. --verify reads what earlier backups put there too, and mends it. Backups of an encrypted database are encrypted\n"
     "with its key, unless --plain is given.\n\n"
     "  omendb backup notes /backups/notes"},
    {"backups", cli_run_backups, "PLACE", 1, 1, "list the backups of a place, or remove one", "verify holds collection remove ",
     "With --verify everything is read; the exit code is 50 when something is damaged.\n"
     "With --holds ID (several times) it looks into each backup and tells how many of these ids of the --collection it has.\n\n"
     "  omendb backups /backups/notes --verify\n"
     "  omendb backups /backups/notes --collection notes --holds a --holds b\n"
     "  omendb backups /backups/notes --remove 3"},
    {"restore", cli_run_restore, "PLACE DATABASE", 2, 2, "make a database of a backup", "backup plain progress no-progress ",
     "The latest one, or that of --backup. DATABASE must be absent or empty: nothing is ever overwritten. Everything is verified.\n\n"
     "  omendb restore /backups/notes notes\n"
     "  omendb restore /backups/notes notes-of-monday --backup 3"},
    {"clone", cli_run_clone, "DATABASE NEW", 2, 2, "make a second database of one", "plain new-key-file new-key-id progress no-progress ",
     "NEW gets an id of its own; it must be absent or empty. Another program may be writing DATABASE. Every file of NEW is encrypted anew: with the same\n"
     "key, with the one of --new-key-file (or the variable OMENDB_NEW_KEY), which a plain database may be given too, or not at all (--plain).\n\n"
     "  omendb clone notes notes-to-try-things\n"
     "  omendb clone notes notes-encrypted --new-key-file notes.key"},
    {"purge", cli_run_purge, "DATABASE ID...", 2, -1, "erase records for good", "collection ",
     "Deletes them, rewrites every file that still has bytes of any version of them, and scans what is left. Ids that were deleted before are erased too.\n"
     "Backups keep what they have: remove them with `omendb backups --remove`. docs/BACKUP.md says what disks may keep.\n\n"
     "  omendb purge notes a b"},
    {"check", cli_run_check, "DATABASE", 1, 1, "read everything and verify every checksum", "",
     "Shows every place that is damaged, and what is lost with it, also of a database that cannot be opened any more. The exit code is\n"
     "50 when something is damaged. Nothing is changed."},
    {"repair", cli_run_repair, "DATABASE", 1, 1, "keep what can be kept of a damaged database", "write cut ",
     "Shows what is damaged, and what repairing loses; the exit code is 50 then. With --write it is done: what can be read is written\n"
     "anew, without the records that cannot, and all that is derived from them is made again. Copy the folder before. Of a damaged\n"
     "log whole writes behind the damage are kept, too, unless --cut is given: then the database is as it once was.\n\n"
     "  omendb repair notes\n"
     "  omendb repair notes --write"},
    {"rotate-key", cli_run_rotate_key, "DATABASE", 1, 1, "put an encrypted database under another key", "new-key-file new-key-id ",
     "The present key comes from --key-file or the variable OMENDB_KEY, the new one from --new-key-file or OMENDB_NEW_KEY. Only the headers\n"
     "of the files are written, and nothing is lost if that is cut off: ask again to finish it. docs/ENCRYPTION.md tells all of it.\n\n"
     "  omendb rotate-key notes --key-file old.key --new-key-file new.key"},
    {"stats", cli_run_stats, "DATABASE", 1, 1, "show collections, segments and sizes", "", ""},
    {"metrics", cli_run_metrics, "DATABASE", 1, 1, "show metrics as JSON or Prometheus text", "prometheus label ",
     "Metrics count what a process does with a database, so here they tell of the opening alone; programs that keep a\n"
     "database open read them with omen_metrics() or db.metrics()."},
};
const size_t cli_command_count = sizeof cli_commands / sizeof *cli_commands;
