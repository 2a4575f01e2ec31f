# Counts the calls to the allocator in a callgrind output file: awk -f bench/allocations.awk callgrind.out
# Names are written once, as `(7) name`, and later as `(7)` alone.
/^(fn|cfn|cfi|fl|fi|fe|ob|cob)=/ {
    kind = substr($0, 1, index($0, "=") - 1)
    if (kind != "fn" && kind != "cfn") next
    split(substr($0, index($0, "=") + 1), part, ")")
    id = part[1]
    name = substr($0, index($0, ")") + 2)
    if (name != "") names[id] = name
    if (kind == "cfn") called = names[id]
}
/^calls=/ {
    split(substr($0, 7), part, " ")
    calls[called] += part[1]
}
END {
    for (name in calls)
        if (name ~ /^(malloc|calloc|realloc|posix_memalign|aligned_alloc|mi_(heap_)?(malloc|zalloc|calloc|realloc)[a-z_]*)('.*)?$/)
            printf "%12d %s\n", calls[name], name
}
