"""What sources share that have purchases but no log of recommendations: counts and outcomes of built impressions.

SQL over the tables `lines` (h, p, d, moment, quantity, category: a customer's order lines, d a day number), `bought`
(those of them with a quantity) and `impressions` (id, h, d, v, shown_at, converted_at), which each source makes itself.
Braces are filled by the source.
"""

# Product days, each with the day before on which the customer bought the product.
PRODUCT_DAYS = """
create table nodes as select p from bought where d < {before} group by p having count(distinct h) >= {min_customers};
create table days as
select h, p, d, lag(d) over (partition by h, p order by d) as previous
from (select distinct h, p, d from bought semi join nodes using (p));
create table known as select * from days where d < {before};
"""

# A directed pair: V new to the customer within follow_days after U, counted in customers. The first follow_days of
# the log have no full look-back, so no V counts there. Shrunk lift, because raw lift favours rare products.
EDGES = """
create table fresh as
select h, p, d from known
where d >= (select min(d) from lines) + {follow_days} and (previous is null or d - previous > {fresh_days});
create table support as
select u, v, count(*) as support
from (select distinct f.h, x.p as u, f.p as v from fresh f
      join known x on x.h = f.h and x.d < f.d and x.d >= f.d - {follow_days} and x.p <> f.p)
group by u, v having count(*) >= {min_support};
create table pairs as
with n_u as (select p, count(distinct h) as n from known group by p),
     n_v as (select p, count(distinct h) as n from fresh group by p),
     households as (select count(distinct h) as n from known)
select s.u, s.v, s.support, coalesce(r.support, 0) as reverse_support,
       s.support / (n_u.n * n_v.n / households.n) as lift,
       (s.support + 1.0) / (n_u.n * n_v.n / households.n + 5.0) as score
from support s join n_u on n_u.p = s.u join n_v on n_v.p = s.v cross join households
left join support r on r.u = s.v and r.v = s.u;
create table candidates as
select *, row_number() over (partition by u order by score desc, v) as rank from pairs qualify rank <= {candidates};
"""

# What the customer does after the impression and before it converts, one row an impression, kind and day.
ENGAGEMENTS = """
with kept as (
    select i.id, i.h, i.d, i.shown_at, i.converted_at, c.category
    from impressions i join (select distinct p as v, category from lines) c using (v) where i.shown_at >= {start}),
visits as (select h, d, min(moment) as moment from lines group by h, d),
category_days as (select h, category, d, min(moment) as moment from lines where quantity > 0 group by h, category, d),
after_visit as (
    select a.h, a.d, v.moment from (select distinct h, d from kept) a
    join visits v on v.h = a.h and v.d > a.d and v.d <= a.d + {window_days}),
after_category as (
    select a.h, a.d, a.category, c.moment from (select distinct h, d, category from kept) a
    join category_days c on c.h = a.h and c.category = a.category and c.d > a.d and c.d <= a.d + {window_days})
select id as impression_id, kind, moment as happened_at from (
    select k.id, cast('visit' as engagement) as kind, e.moment
    from kept k join after_visit e using (h, d)
    where k.converted_at is null or e.moment < k.converted_at
    union all
    select k.id, cast('category_purchase' as engagement) as kind, e.moment
    from kept k join after_category e using (h, d, category)
    where k.converted_at is null or e.moment < k.converted_at)
"""
