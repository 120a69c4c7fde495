/* Structs as JSON and back: all that the seam has, and what others may send instead. */
#include <stdio.h>
#include <string.h>
#include "pool/operations.h"
#include "tests/in_fiber.h"

#define UUID "aaaaaaaa-2222-4333-8444-555555555555"

static void *mem;
static struct err error;

static void set_up(void)
{
    mem = talloc_new(NULL);
}

static void tear_down(void)
{
    talloc_free(mem);
    err_clear(&error);
}

/* ---- there and back ---- */

/* The JSON of what was decoded from the JSON of value; both are the same. */
static void *there_and_back(const struct codec_type *t, const void *value)
{
    CLEANUP_BUF struct buf first = {0};
    CLEANUP_BUF struct buf second = {0};
    void *copy = talloc_zero_size(mem, t->size);

    codec_write(&first, codec_encode(t, value));
    json_t *j = codec_parse(first.data, first.len, &error);
    ck_assert_ptr_nonnull(j);
    ck_assert_msg(codec_decode(t, j, mem, copy, &error) == 0, "%s", err_text(mem, &error));
    json_decref(j);
    codec_write(&second, codec_encode(t, copy));
    ck_assert_str_eq(buf_cstr(&first), buf_cstr(&second));
    return copy;
}

START_TEST(a_specification_keeps_all_it_says)
{
    const struct map *config = map_with(mem, map_with(mem, NULL, "location", "/srv/\"a b\""), "b", "");
    struct agent_disk disks[2] = {{.vbd_uuid = UUID,
                                   .userdevice = 4294967295,
                                   .cdrom = true,
                                   .bus = HV_BUS_IDE,
                                   .sr = {.uuid = UUID, .type = "file", .device_config = config},
                                   .location = "\xe2\x82\xac.qcow2"},
                                  {.vbd_uuid = UUID}};
    struct agent_nic nic = {.vif_uuid = UUID, .mac = "02:00:00:00:00:01", .network = {.nat = true}};
    struct agent_vm_spec spec = {.vm = {.uuid = UUID, .memory = INT64_MAX, .boot = HV_BOOT_UEFI, .name = ""},
                                 .n_disks = 2,
                                 .disks = disks,
                                 .n_nics = 1,
                                 .nics = &nic};
    const struct agent_vm_spec *copy = there_and_back(&codec_agent_vm_spec, &spec);

    ck_assert_int_eq(copy->vm.memory, INT64_MAX);
    ck_assert_int_eq(copy->vm.boot, HV_BOOT_UEFI);
    ck_assert_str_eq(copy->vm.name, "");
    ck_assert_ptr_null(copy->vm.kernel);
    ck_assert_uint_eq(copy->n_disks, 2);
    ck_assert_uint_eq(copy->disks[0].userdevice, 4294967295);
    ck_assert_int_eq(copy->disks[0].bus, HV_BUS_IDE);
    ck_assert_str_eq(map_get(copy->disks[0].sr.device_config, "location"), "/srv/\"a b\"");
    ck_assert_str_eq(map_get(copy->disks[0].sr.device_config, "b"), "");
    ck_assert_ptr_null(copy->disks[0].sr.sm_config);
    ck_assert_str_eq(copy->disks[0].location, "\xe2\x82\xac.qcow2");
    ck_assert_ptr_null(copy->disks[1].sr.type);
    ck_assert(copy->nics[0].network.nat);
    ck_assert_str_eq(copy->image.vdi_uuid, "");
}
END_TEST

START_TEST(reports_and_facts_keep_all_they_say)
{
    struct hv_guest_info info = {.addresses = map_with(mem, NULL, "0/ip", "10.0.2.15"), .hostname = "h"};
    struct hv_report report = {.kind = HV_REPORT_GUEST_INFO, .uuid = UUID, .info = &info};
    struct hv_report stopped = {.kind = HV_REPORT_STOPPED, .uuid = UUID, .reason = HV_STOP_REQUESTED};
    struct agent_host_facts facts = {.hv = {.accelerator = "tcg", .cpu_model = "x", .cpus = 4},
                                     .net = {.root = true, .hostname = "n"}};
    struct agent_guest guest = {UUID, {.state = HV_STATE_PAUSED, .domid = -1, .held = true}};

    const struct hv_report *r = there_and_back(&codec_hv_report, &report);
    ck_assert_str_eq(map_get(r->info->addresses, "0/ip"), "10.0.2.15");
    ck_assert_ptr_null(r->info->os);
    r = there_and_back(&codec_hv_report, &stopped);
    ck_assert_ptr_null(r->info);
    ck_assert_int_eq(r->reason, HV_STOP_REQUESTED);
    const struct agent_host_facts *f = there_and_back(&codec_agent_host_facts, &facts);
    ck_assert_str_eq(f->hv.cpu_model, "x");
    ck_assert_str_eq(f->net.hostname, "n");
    const struct agent_guest *g = there_and_back(&codec_agent_guest, &guest);
    ck_assert_int_eq(g->facts.domid, -1);
    ck_assert(g->facts.held);
}
END_TEST

/* ---- the tables ---- */

static unsigned size_of(const struct codec_field *f)
{
    switch (f->kind) {
    case CODEC_BOOL:
        return sizeof(bool);
    case CODEC_INT:
    case CODEC_INT_OR_NONE:
        return sizeof(int64_t);
    case CODEC_UNSIGNED:
    case CODEC_ENUM:
        return sizeof(unsigned);
    case CODEC_UUID:
    case CODEC_UUID_OR_NONE:
        return UUID_TEXT_SIZE;
    case CODEC_CHARS:
        return (unsigned)f->size;
    case CODEC_STRUCT:
        return (unsigned)f->type->size;
    case CODEC_TEXT:
    case CODEC_MAP:
    case CODEC_POINTER:
    case CODEC_ARRAY:
        break;
    }
    return sizeof(void *);
}

/* Members lie within their struct and do not overlap; names are unique. */
static void ck_table(const struct codec_type *t)
{
    char *used = talloc_zero_array(mem, char, (unsigned)t->size);
    for (const struct codec_field *f = t->fields; f->name; f++) {
        for (unsigned i = 0; i < size_of(f); i++) {
            ck_assert_msg(f->offset + i < t->size && !used[f->offset + i], "%s", f->name);
            used[f->offset + i] = 1;
        }
        for (const struct codec_field *g = t->fields; g < f; g++)
            ck_assert_str_ne(f->name, g->name);
        if (f->type)
            ck_table(f->type);
    }
}

START_TEST(every_operation_has_sound_tables)
{
    for (unsigned i = 0; i < AGENT_OPERATIONS; i++) {
        const struct agent_operation *op = &agent_operations[i];
        ck_assert_ptr_nonnull(op->name);
        ck_assert_ptr_eq(agent_operation_by_name(op->name), op);
        ck_table(op->args);
        if (op->result)
            ck_table(op->result);
    }
    ck_table(&codec_hv_report);
    ck_table(&codec_agent_host_facts);
    ck_table(&codec_agent_guest);
    ck_assert_ptr_null(agent_operation_by_name(""));
}
END_TEST

/* ---- hostile input ---- */

static char fault[400];

/* The complaint about JSON text that is no value of the type, or "" when it is one. */
static const char *verdict(const struct codec_type *t, const char *text, size_t n)
{
    CLEANUP_ERR struct err e = {0};
    void *ctx = talloc_new(mem), *ret = talloc_zero_size(ctx, t->size);
    json_t *j = codec_parse(text, n, &e);
    int rc = j ? codec_decode(t, j, ctx, ret, &e) : -1;

    ck_assert_int_eq(rc < 0, err_is_set(&e));
    snprintf(fault, sizeof fault, "%s", rc < 0 ? e.params[0] : "");
    json_decref(j);
    talloc_free(ctx);
    return fault;
}

static void ck_verdict(const struct codec_type *t, const char *text, const char *expected)
{
    ck_assert_str_eq(verdict(t, text, strlen(text)), expected);
}

#define PLACE(sr, rest) "{\"sr\":" sr rest "}"
#define SR "{\"uuid\":\"" UUID "\"}"

START_TEST(what_is_missing_or_of_another_kind_is_named)
{
    const struct codec_type *t = &codec_agent_place, *f = &codec_hv_vm_facts;
    static const char facts[] = "{\"state\":%s,\"domid\":%s,\"start_time\":1,\"vnc\":%s,\"serial\":true,"
                                "\"held\":false,\"passage\":\"none\"}";
    char text[300];

    ck_verdict(t, PLACE(SR, ",\"location\":\"a\",\"new\":[1]"), "");
    ck_verdict(t, PLACE(SR, ""), "");
    ck_verdict(t, "{}", "sr is missing");
    ck_verdict(t, "[]", "not an object");
    ck_verdict(t, PLACE("7", ""), "not an object");
    ck_verdict(t, PLACE("{}", ""), "uuid is missing");
    ck_verdict(t, PLACE("{\"uuid\":\"../../../../etc/passwd-0000-00000\"}", ""), "uuid is not right");
    ck_verdict(t, PLACE("{\"uuid\":\"" UUID "0\"}", ""), "uuid is not right");
    ck_verdict(t, PLACE(SR, ",\"location\":1"), "location is not right");
    ck_verdict(t, PLACE(SR, ",\"location\":null"), "location is not right");
    ck_verdict(t, PLACE("{\"uuid\":\"\",\"sm_config\":[]}", ""), "sm_config is not right");
    ck_verdict(t, PLACE("{\"uuid\":\"\",\"sm_config\":{\"a\":1}}", ""), "sm_config is not right");
    static const struct {
        const char *state, *domid, *vnc, *expected;
    } cases[] = {{"\"paused\"", "7", "true", ""},
                 {"\"asleep\"", "7", "true", "state is not right"},
                 {"1", "7", "true", "state is not right"},
                 {"\"\"", "7", "true", "state is not right"},
                 {"\"gone\"", "7.5", "true", "domid is not right"},
                 {"\"gone\"", "\"7\"", "true", "domid is not right"},
                 {"\"gone\"", "7", "1", "vnc is not right"}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, facts, cases[i].state, cases[i].domid, cases[i].vnc);
        ck_verdict(f, text, cases[i].expected);
    }
    ck_verdict(&codec_agent_guest, "{\"uuid\":\"\",\"facts\":{}}", "uuid is not right");
}
END_TEST

START_TEST(numbers_that_do_not_fit_are_refused)
{
    const struct codec_type *t = agent_operations[AGENT_VM_SET_PROCESSORS].args;

    ck_verdict(t, "{\"uuid\":\"" UUID "\",\"n\":4294967295}", "");
    ck_verdict(t, "{\"uuid\":\"" UUID "\",\"n\":4294967296}", "n is not right");
    ck_verdict(t, "{\"uuid\":\"" UUID "\",\"n\":-1}", "n is not right");
    ck_assert_ptr_nonnull(strstr(verdict(t, "{\"n\":99999999999999999999}", 26), "no JSON"));
}
END_TEST

START_TEST(text_that_is_no_text_is_refused)
{
    static const char latin[] = "{\"sr\":{\"uuid\":\"\"},\"location\":\"\xff\"}";
    static const char nul[] = "{\"sr\":{\"uuid\":\"\"},\"location\":\"a\\u0000b\"}";
    static const char twice[] = "{\"sr\":{\"uuid\":\"\"},\"sr\":{\"uuid\":\"\"}}";
    struct agent_place place = {.location = "\xff"};
    const struct map *map = map_with(mem, NULL, "\xff", "a");
    struct sm_sr sr = {.sm_config = map};

    ck_assert_ptr_nonnull(strstr(verdict(&codec_agent_place, latin, sizeof latin - 1), "no JSON"));
    ck_assert_ptr_nonnull(strstr(verdict(&codec_agent_place, nul, sizeof nul - 1), "no JSON"));
    ck_assert_ptr_nonnull(strstr(verdict(&codec_agent_place, twice, sizeof twice - 1), "no JSON"));
    ck_assert_ptr_null(codec_encode(&codec_agent_place, &place));
    ck_assert_ptr_null(codec_encode(&codec_sm_sr, &sr));
}
END_TEST

START_TEST(what_is_huge_or_deep_is_refused)
{
    const struct codec_type *t = agent_operations[AGENT_SR_SCAN].result;
    CLEANUP_BUF struct buf many = {0};
    CLEANUP_BUF struct buf deep = {0};
    CLEANUP_BUF struct buf values = {0};

    buf_add_lit(&many, "{\"vdis\":[{}");
    for (unsigned i = 0; i < CODEC_MAX_ITEMS; i++)
        buf_add_lit(&many, ",{}");
    buf_add_lit(&many, "]}");
    ck_assert_str_eq(verdict(t, many.data, many.len), "vdis is not right");
    for (unsigned i = 0; i < 100000; i++)
        buf_add_lit(&deep, "{\"a\":");
    ck_assert_str_eq(verdict(t, deep.data, deep.len), "JSON that is too large");
    buf_add_lit(&values, "{\"vdis\":[],\"new\":[1");
    for (unsigned i = 0; i < CODEC_MAX_VALUES; i++)
        buf_add_lit(&values, ",1");
    buf_add_lit(&values, "]}");
    ck_assert_str_eq(verdict(t, values.data, values.len), "JSON that is too large");
    ck_verdict(t, "{\"vdis\":[]}", "");
    ck_verdict(t, "{\"vdis\":{}}", "vdis is not right");
    ck_verdict(t, "{\"vdis\":[7]}", "not an object");
    ck_assert_ptr_nonnull(strstr(verdict(t, "", 0), "no JSON"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("codec");
    TCase *t = tcase_create("codec");
    tcase_set_timeout(t, TEST_HANG_GUARD_S);
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, a_specification_keeps_all_it_says);
    tcase_add_test(t, reports_and_facts_keep_all_they_say);
    tcase_add_test(t, every_operation_has_sound_tables);
    tcase_add_test(t, what_is_missing_or_of_another_kind_is_named);
    tcase_add_test(t, numbers_that_do_not_fit_are_refused);
    tcase_add_test(t, text_that_is_no_text_is_refused);
    tcase_add_test(t, what_is_huge_or_deep_is_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
