;; A proxy-wasm filter that takes tokens of a budget that all workers have in common, as the header `x-shares` says:
;; one letter for the way (g: gauge, add first; r: gauge, read first; c: compare-and-swap), four digits for how many takes,
;; eight for the budget, and the budget's name. What it did it adds to four counters, once a request.
(module
  (import "env" "proxy_get_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $add (param i32 i64) (result i32)))
  (import "env" "proxy_get_metric" (func $read (param i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "x-shares")
  (data (i32.const 16) "shares_admitted")
  (data (i32.const 32) "shares_refused")
  (data (i32.const 48) "shares_again")
  (data (i32.const 64) "shares_wrongly")
  ;; Where hostcalls write: an address, a size, the number of a write, a metric's id, a metric's value.
  (global $address i32 (i32.const 256))
  (global $size i32 (i32.const 260))
  (global $cas i32 (i32.const 264))
  (global $id i32 (i32.const 268))
  (global $value i32 (i32.const 272))
  ;; The record that is put back; of its 96 bytes, as many as a cell of the books has, the first eight count what was admitted.
  (global $record i32 (i32.const 512))
  (global $record_size i32 (i32.const 96))
  (global $next (mut i32) (i32.const 1024))
  (global $admitted_id (mut i32) (i32.const 0))
  (global $refused_id (mut i32) (i32.const 0))
  (global $again_id (mut i32) (i32.const 0))
  (global $wrongly_id (mut i32) (i32.const 0))
  (global $again (mut i64) (i64.const 0))
  (global $wrongly (mut i64) (i64.const 0))

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "_initialize"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get $size) (i32.const 15)) (i32.const -16))))
    (if (i32.gt_u (global.get $next) (i32.const 60000)) (then (global.set $next (i32.const 1024))))
    (local.get $at))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))

  (func $metric (param $kind i32) (param $name i32) (param $length i32) (result i32)
    (if (call $define (local.get $kind) (local.get $name) (local.get $length) (global.get $id)) (then unreachable))
    (i32.load (global.get $id)))

  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (global.set $admitted_id (call $metric (i32.const 0) (i32.const 16) (i32.const 15)))
    (global.set $refused_id (call $metric (i32.const 0) (i32.const 32) (i32.const 14)))
    (global.set $again_id (call $metric (i32.const 0) (i32.const 48) (i32.const 12)))
    (global.set $wrongly_id (call $metric (i32.const 0) (i32.const 64) (i32.const 14)))
    (i32.const 1))

  (func $number (param $at i32) (param $digits i32) (result i64)
    (local $sum i64)
    (loop $more
      (local.set $sum (i64.add
        (i64.mul (local.get $sum) (i64.const 10))
        (i64.extend_i32_u (i32.sub (i32.load8_u (local.get $at)) (i32.const 48)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $digits (i32.sub (local.get $digits) (i32.const 1)))
      (br_if $more (local.get $digits)))
    (local.get $sum))

  (func $level (param $gauge i32) (result i64)
    (if (call $read (local.get $gauge) (global.get $value)) (then unreachable))
    (i64.load (global.get $value)))

  ;; Adds one, looks, and takes it back where that was too much. A refusal that leaves the gauge below the budget was a wrong one:
  ;; what others had added and then took back too was in the way.
  (func $add_first (param $gauge i32) (param $budget i64) (result i32)
    (drop (call $add (local.get $gauge) (i64.const 1)))
    (if (i64.le_u (call $level (local.get $gauge)) (local.get $budget)) (then (return (i32.const 1))))
    (drop (call $add (local.get $gauge) (i64.const -1)))
    (if (i64.lt_u (call $level (local.get $gauge)) (local.get $budget))
      (then (global.set $wrongly (i64.add (global.get $wrongly) (i64.const 1)))))
    (i32.const 0))

  ;; Looks, and adds one where there is room.
  (func $read_first (param $gauge i32) (param $budget i64) (result i32)
    (if (i64.ge_u (call $level (local.get $gauge)) (local.get $budget)) (then (return (i32.const 0))))
    (drop (call $add (local.get $gauge) (i64.const 1)))
    (i32.const 1))

  ;; Reads, and puts back one more if nobody was faster; else once again. Where there is nothing yet any number of a write is
  ;; taken, and zero would be taken at any time, so it is one that no write has.
  (func $swap (param $name i32) (param $length i32) (param $budget i64) (result i32)
    (loop $more
      (if (call $get (local.get $name) (local.get $length) (global.get $address) (global.get $size) (global.get $cas))
        (then
          (i64.store (global.get $record) (i64.const 0))
          (i32.store (global.get $cas) (i32.const -1)))
        (else (i64.store (global.get $record) (i64.load (i32.load (global.get $address))))))
      (if (i64.ge_u (i64.load (global.get $record)) (local.get $budget)) (then (return (i32.const 0))))
      (i64.store (global.get $record) (i64.add (i64.load (global.get $record)) (i64.const 1)))
      (if (call $set (local.get $name) (local.get $length) (global.get $record) (global.get $record_size)
            (i32.load (global.get $cas)))
        (then
          (global.set $again (i64.add (global.get $again) (i64.const 1)))
          (br $more))))
    (i32.const 1))

  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (local $way i32) (local $takes i64) (local $all i64) (local $budget i64) (local $admitted i64)
    (local $name i32) (local $length i32) (local $gauge i32) (local $admits i32) (local $at i32)
    (if (call $header (i32.const 0) (i32.const 0) (i32.const 8) (global.get $address) (global.get $size))
      (then (return (i32.const 0))))
    (local.set $at (i32.load (global.get $address)))
    (if (i32.lt_u (i32.load (global.get $size)) (i32.const 14)) (then (return (i32.const 0))))
    (local.set $way (i32.load8_u (local.get $at)))
    (local.set $all (call $number (i32.add (local.get $at) (i32.const 1)) (i32.const 4)))
    (local.set $budget (call $number (i32.add (local.get $at) (i32.const 5)) (i32.const 8)))
    ;; The name goes where later hostcalls do not write.
    (local.set $name (i32.const 768))
    (local.set $length (i32.sub (i32.load (global.get $size)) (i32.const 13)))
    (if (i32.gt_u (local.get $length) (i32.const 200)) (then (return (i32.const 0))))
    (memory.copy (local.get $name) (i32.add (local.get $at) (i32.const 13)) (local.get $length))
    (if (i32.ne (local.get $way) (i32.const 99))
      (then (local.set $gauge (call $metric (i32.const 1) (local.get $name) (local.get $length)))))
    (global.set $again (i64.const 0))
    (global.set $wrongly (i64.const 0))
    (local.set $takes (local.get $all))
    (block $done
      (loop $more
        (br_if $done (i64.eqz (local.get $takes)))
        (if (i32.eq (local.get $way) (i32.const 103))
          (then (local.set $admits (call $add_first (local.get $gauge) (local.get $budget)))))
        (if (i32.eq (local.get $way) (i32.const 114))
          (then (local.set $admits (call $read_first (local.get $gauge) (local.get $budget)))))
        (if (i32.eq (local.get $way) (i32.const 99))
          (then (local.set $admits (call $swap (local.get $name) (local.get $length) (local.get $budget)))))
        (local.set $admitted (i64.add (local.get $admitted) (i64.extend_i32_u (local.get $admits))))
        (local.set $takes (i64.sub (local.get $takes) (i64.const 1)))
        (br $more)))
    (drop (call $add (global.get $admitted_id) (local.get $admitted)))
    (drop (call $add (global.get $refused_id) (i64.sub (local.get $all) (local.get $admitted))))
    (drop (call $add (global.get $again_id) (global.get $again)))
    (drop (call $add (global.get $wrongly_id) (global.get $wrongly)))
    (i32.const 0)))
